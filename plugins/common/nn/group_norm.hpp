// GroupNorm as the autoencoders use it: before each convolution, with silu.
#pragma once

#include <ATen/core/Tensor.h>

namespace gesso::nn {

/// silu(norm(x) * weight + bias): mean and variance over each of `groups` groups of channels.
///
/// A picture with channels last goes through two passes, one for the sums and one for the rest. The
/// plain version is taken for other orders of memory and where autograd watches.
/// @param x_BCHW        float32 or bf16, on the CPU
/// @param weight, bias  [C], of any float type; rounded to the type of x
at::Tensor group_norm_silu(const at::Tensor& x_BCHW, int64_t groups, const at::Tensor& weight,
                           const at::Tensor& bias, double eps);
/// Its oracle. Sums in another order: float32 results differ by some 1e-7, bf16 ones by one
/// rounding.
at::Tensor group_norm_silu_plain(const at::Tensor& x_BCHW, int64_t groups, const at::Tensor& weight,
                                 const at::Tensor& bias, double eps);

}  // namespace gesso::nn
