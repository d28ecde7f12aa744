// The gate of a SwiGLU feed-forward.
#pragma once

#include <ATen/core/Tensor.h>

namespace gesso::nn {

/// a = silu(a) * b, in place; in bf16 silu is rounded before the product. Both are contiguous.
void silu_multiply_(at::Tensor& a, const at::Tensor& b);
/// Its oracle; differs by the last bits of the exponential (3e-7 relative in float32).
at::Tensor silu_multiply_plain(const at::Tensor& a, const at::Tensor& b);

}  // namespace gesso::nn
