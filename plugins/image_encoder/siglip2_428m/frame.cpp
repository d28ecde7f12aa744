#include "frame.hpp"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace gesso::siglip2_428m {
namespace {

using image_encoder::Size;

int64_t scaled(double scale, int64_t extent, int64_t patch) {
  const double patches =
      std::ceil(static_cast<double>(extent) * scale / static_cast<double>(patch));
  return std::max(patch, static_cast<int64_t>(patches) * patch);
}

Size scaled(double scale, Size picture, int64_t patch) {
  return {scaled(scale, picture.height, patch), scaled(scale, picture.width, patch)};
}

[[noreturn]] void refuse(size_t item, const std::string& text) {
  throw Error(Status::InvalidArgument, "pixel_values " + std::to_string(item) + ": " + text);
}

}  // namespace

Size naflex_size(Size picture, int64_t patch, int64_t max_patches) {
  constexpr double kEnough = 1e-5;
  double low = kEnough / 10, high = 100.0;
  while (high - low >= kEnough) {
    const double middle = (low + high) / 2;
    const Size size = scaled(middle, picture, patch);
    const bool fits = size.height / patch * (size.width / patch) <= max_patches;
    (fits ? low : high) = middle;
  }
  return scaled(low, picture, patch);
}

Frame Frame::read(const Setup& setup) {
  Frame frame;
  frame.patch = setup.values.integer("config.patch_size", 16);
  frame.max_patches = setup.values.integer("config.max_num_patches", 256);
  if (frame.patch < 1 || frame.max_patches < 1) {
    throw Error(Status::InvalidArgument,
                "patch_size and max_num_patches: expected positive numbers, found " +
                    std::to_string(frame.patch) + " and " + std::to_string(frame.max_patches));
  }
  return frame;
}

Frame::Values Frame::preprocess(const at::Tensor& bytes_3HW) const {
  const Size size = naflex_size({bytes_3HW.size(1), bytes_3HW.size(2)}, patch, max_patches);
  const at::Tensor values_3HW =
      image_encoder::normalise_half(image_encoder::resize(bytes_3HW, size));
  return {image_encoder::patches_channel_last(values_3HW, patch), size.height / patch,
          size.width / patch};
}

int64_t Frame::tokens(Size picture) const {
  const Size size = naflex_size(picture, patch, max_patches);
  return size.height / patch * (size.width / patch);
}

void Frame::put(const Values& values, int32_t item, Outputs& outputs) const {
  const int64_t count = values.patches_LP.size(0);
  at::Tensor padded_NP = at::zeros({max_patches, values.patches_LP.size(1)});
  padded_NP.narrow(0, 0, count).copy_(values.patches_LP);
  at::Tensor mask_N = at::zeros({max_patches}, at::kInt);
  mask_N.narrow(0, 0, count).fill_(1);
  outputs.put(image_encoder::kPixelValues, item, torch::give(padded_NP));
  outputs.put(kMask, item, torch::give(mask_N));
  outputs.put(kSpatialShapes, item,
              torch::give(at::tensor({values.rows, values.columns}, at::kLong)));
}

std::vector<Frame::Values> Frame::take(const Inputs& inputs) const {
  const auto padded = torch::list(inputs, image_encoder::kPixelValues);
  const auto shapes = torch::list(inputs, kSpatialShapes);
  if (padded.size() != shapes.size()) {
    refuse(padded.size(),
           "expected one spatial_shapes for each, found " + std::to_string(shapes.size()));
  }
  std::vector<Values> list;
  for (size_t i = 0; i < padded.size(); ++i) {
    const int64_t features = 3 * patch * patch;
    if (padded[i].dim() != 2 || padded[i].size(1) != features) {
      refuse(i, "expected [patches, " + std::to_string(features) + "], found " +
                    shape_text(padded[i].sizes()));
    }
    if (shapes[i].sizes() != at::IntArrayRef({2})) {
      refuse(i, "spatial_shapes: expected [2], found " + shape_text(shapes[i].sizes()));
    }
    const int64_t rows = shapes[i][0].item<int64_t>(), columns = shapes[i][1].item<int64_t>();
    if (rows < 1 || columns < 1 || rows * columns > padded[i].size(0)) {
      refuse(i, std::to_string(rows) + " x " + std::to_string(columns) + " patches, but " +
                    std::to_string(padded[i].size(0)) + " were given");
    }
    list.push_back({padded[i].narrow(0, 0, rows * columns), rows, columns});
  }
  return list;
}

}  // namespace gesso::siglip2_428m
