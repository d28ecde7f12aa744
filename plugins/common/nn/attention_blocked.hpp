// Attention in blocks of queries and keys, for processors that multiply bf16 numbers without AMX:
// libtorch's own widens there every number to float32, and takes twice the time.
#pragma once

#include <ATen/core/Tensor.h>

namespace gesso::nn {

/// Whether `blocked_attention` takes these tensors, and is the faster one on this processor.
bool suits_blocked_attention(const at::Tensor& q_LHD, const at::Tensor& k_LGD,
                             const at::Tensor& v_LGD);

/// `attention` of attention.hpp without a mask, bf16, D a multiple of 64. Products are summed up in
/// float32; exponentials are rounded to bf16, as libtorch's attention does.
/// @param log_sums_HL  gets the logarithm of each row's sum of exponentials, float32; undefined: no
/// @return  [L, H * D]
at::Tensor blocked_attention(const at::Tensor& q_LHD, const at::Tensor& k_LGD,
                             const at::Tensor& v_LGD, const at::Tensor& log_sums_HL = {});

/// Gradients of `blocked_attention`, like q, k and v and contiguous.
struct AttentionGrads {
  at::Tensor q_LHD, k_LHD, v_LHD;
};
/// From the result and its gradient [L, H * D] and what the forward run put into `log_sums_HL`; as
/// many heads of keys as of queries.
AttentionGrads blocked_attention_back(const at::Tensor& q_LHD, const at::Tensor& k_LHD,
                                      const at::Tensor& v_LHD, const at::Tensor& out,
                                      const at::Tensor& log_sums_HL, const at::Tensor& out_grad);

}  // namespace gesso::nn
