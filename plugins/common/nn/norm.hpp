// RMSNorm as the Z-Image family uses it: sandwiched around each sub-layer, with scale and gate.
//
// In bf16 each product is rounded by itself, as the reference does: x / rms, then the weight, then
// scale or gate, then the sum. The fused versions do the same in one pass without float32 copies.
#pragma once

#include <ATen/core/Tensor.h>

namespace gesso::nn {

/// x / rms(x) * weight [* scale] over the last axis; `scale` [D] may be undefined.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                    const at::Tensor& scale = {});
/// Its oracle. Sums in another order: float32 results differ by some 1e-7, bf16 ones by one
/// rounding.
at::Tensor rms_norm_plain(const at::Tensor& x, const at::Tensor& weight, double eps,
                          const at::Tensor& scale = {});

/// x += gate * rms_norm(y), in place; `gate` [D] may be undefined: 1. `x` and `y` are contiguous.
void add_gated_rms_norm_(at::Tensor& x, const at::Tensor& y, const at::Tensor& weight, double eps,
                         const at::Tensor& gate = {});
void add_gated_rms_norm_plain_(at::Tensor& x, const at::Tensor& y, const at::Tensor& weight,
                               double eps, const at::Tensor& gate = {});

}  // namespace gesso::nn
