#include "image_encoder/picture.hpp"

#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/tensor.h>

#include <array>
#include <optional>
#include <string>

#include "gesso/cpp/tensor.hpp"

namespace gesso::image_encoder {
namespace {

/// [rows, columns, 3, side, side]
at::Tensor squares(const at::Tensor& values_3HW, int64_t side) {
  return values_3HW.unflatten(2, {-1, side}).unflatten(1, {-1, side}).permute({1, 3, 0, 2, 4});
}

at::Tensor per_channel(std::span<const double, 3> values) {
  return at::tensor({values[0], values[1], values[2]}, at::kFloat).view({3, 1, 1});
}

}  // namespace

Size picture_size(std::span<const int64_t> shape, size_t item) {
  if (shape.size() != 3 || shape[0] != 3 || shape[1] < 2 || shape[2] < 2) {
    throw Error(Status::InvalidArgument,
                "pixels " + std::to_string(item) +
                    ": expected [3, H, W] with H and W of 2 or more, found " + shape_text(shape) +
                    "; a picture of one row or column shows nothing to encode");
  }
  return {shape[1], shape[2]};
}

at::Tensor bytes_of(const at::Tensor& pixels_3HW, size_t item) {
  const auto sizes = pixels_3HW.sizes();
  picture_size({sizes.data(), sizes.size()}, item);
  return pixels_3HW.to(at::kFloat).add(1).mul_(127.5).round_().clamp_(0, 255).to(at::kByte);
}

at::Tensor pixels_of(const at::Tensor& bytes_3HW) {
  return bytes_3HW.to(at::kFloat).mul_(2.0 / 255).sub_(1);
}

at::Tensor resize(const at::Tensor& picture_3HW, Size size) {
  if (picture_3HW.size(1) == size.height && picture_3HW.size(2) == size.width) return picture_3HW;
  return at::_upsample_bilinear2d_aa(picture_3HW.unsqueeze(0), {size.height, size.width},
                                     /*align_corners=*/false, std::nullopt, std::nullopt)
      .squeeze(0);
}

at::Tensor normalise(const at::Tensor& picture_3HW, std::span<const double, 3> mean,
                     std::span<const double, 3> std) {
  return picture_3HW.to(at::kFloat).sub(per_channel(mean)).div(per_channel(std));
}

at::Tensor normalise_half(const at::Tensor& bytes_3HW) {
  constexpr std::array<double, 3> kHalf{127.5, 127.5, 127.5};
  return normalise(bytes_3HW, kHalf, kHalf);
}

at::Tensor patches_channel_first(const at::Tensor& values_3HW, int64_t side) {
  return squares(values_3HW, side).flatten(2).flatten(0, 1);
}

at::Tensor patches_channel_last(const at::Tensor& values_3HW, int64_t side) {
  return squares(values_3HW, side).permute({0, 1, 3, 4, 2}).flatten(2).flatten(0, 1);
}

}  // namespace gesso::image_encoder
