#include "runtime/tiles.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/zeros.h>
#include <ATen/TensorOperators.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "gesso/cpp/error.hpp"

namespace gesso::runtime {
namespace {

/// Where tiles begin along one side.
std::vector<int64_t> starts(int64_t length, int64_t size, int64_t overlap, int64_t unit) {
  if (size >= length) return {0};
  const int64_t stride = std::max(unit, (size - overlap) / unit * unit);
  std::vector<int64_t> list;
  for (int64_t at = 0; at + size < length; at += stride) list.push_back(at);
  list.push_back(length - size);
  return list;
}

/// 1 inside, towards both ends down to 1 / (overlap + 1).
at::Tensor ramp(int64_t length, int64_t overlap) {
  const at::Tensor from_start = at::arange(1, length + 1, at::kFloat);
  const at::Tensor nearest = at::minimum(from_start, from_start.flip(0));
  return nearest.div(static_cast<double>(overlap + 1)).clamp_max(1.0);
}

}  // namespace

std::vector<Tile> tiles_of(int64_t height, int64_t width, int64_t size, int64_t overlap,
                           int64_t unit) {
  if (size == 0) return {{0, 0, height, width}};
  std::vector<Tile> tiles;
  for (const int64_t top : starts(height, size, overlap, unit)) {
    for (const int64_t left : starts(width, size, overlap, unit)) {
      tiles.push_back({top, left, std::min(size, height), std::min(size, width)});
    }
  }
  return tiles;
}

at::Tensor cut(const at::Tensor& whole_CHW, const Tile& tile) {
  return whole_CHW.narrow(1, tile.top, tile.height).narrow(2, tile.left, tile.width).contiguous();
}

void check_covers(const at::Tensor& whole_CHW, const std::vector<Tile>& tiles,
                  const std::string& what) {
  const Tile& last = tiles.back();
  const int64_t height = last.top + last.height, width = last.left + last.width;
  if (whole_CHW.dim() == 3 && whole_CHW.size(1) == height && whole_CHW.size(2) == width) return;
  throw Error(Status::Incompatible,
              fmt::format("{}: expected C x {} x {}, the size of the latents; found {}. Does the "
                          "plugin count in other cells than the codec?",
                          what, height, width, fmt::join(whole_CHW.sizes().vec(), " x ")));
}

Blend::Blend(const at::Tensor& like_CHW, int64_t overlap)
    : sum_CHW_(at::zeros(like_CHW.sizes(), at::kFloat)),
      weight_1HW_(at::zeros({1, like_CHW.size(1), like_CHW.size(2)}, at::kFloat)),
      overlap_(overlap),
      type_(like_CHW.scalar_type()) {}

void Blend::add(const at::Tensor& part_CHW, const Tile& tile) {
  const at::Tensor weight_1HW =
      (ramp(tile.height, overlap_).unsqueeze(1) * ramp(tile.width, overlap_)).unsqueeze(0);
  const auto place = [&](const at::Tensor& whole) {
    return whole.narrow(1, tile.top, tile.height).narrow(2, tile.left, tile.width);
  };
  place(sum_CHW_).add_(part_CHW.to(at::kFloat) * weight_1HW);
  place(weight_1HW_).add_(weight_1HW);
}

at::Tensor Blend::result() const { return sum_CHW_.div(weight_1HW_).to(type_); }

}  // namespace gesso::runtime
