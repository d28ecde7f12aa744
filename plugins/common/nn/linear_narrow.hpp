// y = x W^T + bias from weights in 8 bits, with low-rank updates.
#pragma once

#include <span>

#include "nn/weight_unit.hpp"

namespace gesso::nn {

/// From a weight in fp8: each row of x is divided by max(max|x| / 448, 1) and rounded to
/// float8_e4m3fn, the product is scaled back. As torch's scaled product, which no CPU here has, in
/// float32 on the rounded numbers.
at::Tensor linear_fp8(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      std::span<const Delta> deltas = {});

/// From a weight in int8 with a scale for each row: each row of x becomes int8 with the scale
/// max|x| / 127, the product is exact in int32 and then scaled. By oneDNN where the processor has
/// such products, else by `linear_int8_plain`.
at::Tensor linear_int8(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                       const at::Tensor& bias, std::span<const Delta> deltas = {});
/// The same by oneDNN; right on any processor, fast only with `has_int8_products`.
at::Tensor linear_int8_onednn(const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& scale, const at::Tensor& bias,
                              std::span<const Delta> deltas = {});
/// Its oracle: the int8 numbers multiplied in float32.
at::Tensor linear_int8_plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                             const at::Tensor& bias, std::span<const Delta> deltas = {});

}  // namespace gesso::nn
