// What products with weights of every type have in common; for this library alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "nn/weight_unit.hpp"

namespace gesso::nn {

/// x as rows in float32.
at::Tensor wide_rows(const at::Tensor& x, const at::Tensor& weight);

/// x W^T in float32; rows of the weight are widened a few at a time.
at::Tensor widened_product(const at::Tensor& x_MK, const at::Tensor& weight);

/// Bias and updates, and back to the type and axes of `x`.
at::Tensor finished(at::Tensor y_MN, const at::Tensor& x, const at::Tensor& x_MK,
                    const at::Tensor& bias, std::span<const Delta> deltas);

}  // namespace gesso::nn
