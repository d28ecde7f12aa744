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
/// @return  [L, H * D]
at::Tensor blocked_attention(const at::Tensor& q_LHD, const at::Tensor& k_LGD,
                             const at::Tensor& v_LGD);

}  // namespace gesso::nn
