// 2-D convolutions in the type that this processor is fast in.
#pragma once

#include <ATen/core/Tensor.h>

namespace gesso::nn {

/// The type in which pictures go through convolutions with weights of type `weights`: float32 when
/// that is the weights' type or bf16 products are slow here, else bf16.
at::ScalarType convolution_type(at::ScalarType weights);

/// Convolution in `convolution_type`, with channels last in memory, which was measured to be the
/// faster order for both types. Nothing is copied when `x` comes from another one.
/// @param x_BCHW  any float type
at::Tensor conv2d(const at::Tensor& x_BCHW, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t stride = 1, int64_t padding = 0);

/// conv2d with a 3x3 kernel and padding 1 of x with each cell doubled along both sides. Of the nine
/// products of each result some have the same cell: it is four convolutions with 2x2 kernels, sums
/// of the 3x3 one's numbers, with 4/9 of the arithmetic. The plain one doubles first; it is taken
/// where autograd watches.
/// @return [1, C, 2H, 2W]
at::Tensor doubled_conv2d(const at::Tensor& x_BCHW, const at::Tensor& weight,
                          const at::Tensor& bias);
at::Tensor doubled_conv2d_plain(const at::Tensor& x_BCHW, const at::Tensor& weight,
                                const at::Tensor& bias);

}  // namespace gesso::nn
