// Pictures on their way into an encoder: bytes, sizes, patches.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace gesso::image_encoder {

struct Size {
  int64_t height = 0, width = 0;
};

/// @throws Error  InvalidArgument unless the shape is [3, H, W] with both sides of 2 pixels or more
Size picture_size(std::span<const int64_t> shape, size_t item);

/// The bytes that pixels were made of.
/// @param pixels_3HW  byte * 2 / 255 - 1, float32 or bf16: both tell all 256 values apart
/// @return            uint8 [3, H, W]
/// @throws Error      as `picture_size`
at::Tensor bytes_of(const at::Tensor& pixels_3HW, size_t item);

/// byte * 2 / 255 - 1 in float32: what `bytes_of` takes apart.
at::Tensor pixels_of(const at::Tensor& bytes_3HW);

/// Anti-aliased bilinear resize of bytes (16-bit weights, rounded after each axis) or of float32
/// numbers, as torchvision does it.
/// @param picture_3HW  uint8 or float32
at::Tensor resize(const at::Tensor& picture_3HW, Size size);

/// (x - mean) / std of each channel; bytes count as they are (0..255), so mean and std do as well.
at::Tensor normalise(const at::Tensor& picture_3HW, std::span<const double, 3> mean,
                     std::span<const double, 3> std);

/// The normalisation of both SigLIPs: (byte - 127.5) / 127.5.
at::Tensor normalise_half(const at::Tensor& bytes_3HW);

/// Squares of `side` pixels, row by row. Sides of the picture are multiples of `side`.
/// @return  [rows * columns, 3 * side * side]; features in the order channel, row, column, as the
///          kernel of a convolution
at::Tensor patches_channel_first(const at::Tensor& values_3HW, int64_t side);
/// The same with features in the order row, column, channel.
at::Tensor patches_channel_last(const at::Tensor& values_3HW, int64_t side);

}  // namespace gesso::image_encoder
