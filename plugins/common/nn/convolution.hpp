// 2-D convolutions in the type that this processor is fast in.
#pragma once

#include <ATen/core/Tensor.h>

namespace gesso::nn {

/// The type in which pictures go through convolutions with weights of type `weights`: float32 when
/// that is the weights' type or bf16 products are slow here, else bf16.
at::ScalarType convolution_type(at::ScalarType weights);

/// Convolution in `convolution_type`, and in the order of memory that was measured to be faster for
/// it: channels last for bf16, contiguous for float32. Nothing is copied when `x` comes from
/// another one.
/// @param x_BCHW  any float type
at::Tensor conv2d(const at::Tensor& x_BCHW, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t stride = 1, int64_t padding = 0);

}  // namespace gesso::nn
