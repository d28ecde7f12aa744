// y = x W^T + bias, with low-rank updates.
#pragma once

#include <span>

#include "nn/weight_unit.hpp"

namespace gesso::nn {

/// @param x     [..., in], in the type of the weight; of any type for one with a row scale
/// @param item  place in the batch: updates that are not for this item are left out
/// @return      [..., out], in the type of `x`; bf16 is summed in float32 and rounded once
at::Tensor linear(const at::Tensor& x, const Weight& weight, const at::Tensor& bias = {},
                  int64_t item = 0);

/// What `linear` computes for bf16 where the processor has no bf16 products: x and rows of the
/// weight are widened to float32, updates are added, and the result is rounded.
at::Tensor linear_widened(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          std::span<const Delta> deltas = {});
/// Its oracle: all in float32, then rounded.
at::Tensor linear_plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace gesso::nn
