// The layers with their derivatives, for training: functions of whole batches that leave their
// arguments as they are. Without autograd they compute the same in the same way.
//
// B: batch, L: tokens, D: width, H: heads, K: numbers of a head.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/rotary.hpp"

namespace gesso::torch {
struct Weight;  // gesso/cpp/training_torch.hpp
class Leaves;
}  // namespace gesso::torch

namespace gesso::nn::trainable {

/// y = x W^T + bias, with all updates of the weight.
/// @param once  remembers the result for the second run of a piece; null: it is computed again
/// @throws Error NotSupported for an update that is for some items of the batch only
at::Tensor linear(const at::Tensor& x, const torch::Weight& weight, const at::Tensor& bias = {},
                  torch::Leaves* once = nullptr);

/// x / rms(x) * weight [* scale]. @param scale  broadcast to x [B, L, D]; may be undefined
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                    const at::Tensor& scale = {});

/// x + gate * rms_norm(y). @param gate  broadcast to x; may be undefined: 1
at::Tensor add_gated_rms_norm(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight,
                              double eps, const at::Tensor& gate = {});

/// RMSNorm of each head, then rotation of the pairs (2i, 2i+1). @param x  [B, L, H, K]
at::Tensor head_norm_rotate(const at::Tensor& x_BLHK, const at::Tensor& weight, double eps,
                            const Rotary& rotary);

/// silu(a) * b
at::Tensor silu_multiply(const at::Tensor& a, const at::Tensor& b);

/// Every token looks at all others. -> [B, L, H * K]. @param once  as for `linear`
at::Tensor attention(const at::Tensor& q_BLHK, const at::Tensor& k_BLHK, const at::Tensor& v_BLHK,
                     torch::Leaves* once = nullptr);

/// Every token looks at itself and those before it; G divides H. -> [B, L, H * K]
at::Tensor causal_attention(const at::Tensor& q_BLHK, const at::Tensor& k_BLGK,
                            const at::Tensor& v_BLGK);

}  // namespace gesso::nn::trainable
