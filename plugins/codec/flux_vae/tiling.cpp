#include "tiling.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace gesso::flux_vae {
namespace {

/// [height, width]: distance of each cell from the nearest edge, 1 at the edge, over `border`; at
/// most 1.
at::Tensor blend_mask(int64_t height, int64_t width, int64_t border) {
  const auto distance = [](int64_t n) {
    const at::Tensor forth = at::arange(1, n + 1, at::kFloat);
    return at::minimum(forth, forth.flip(0));
  };
  return at::minimum(distance(height).unsqueeze(1), distance(width))
      .div(static_cast<double>(border))
      .clamp(0, 1);
}

}  // namespace

std::vector<int64_t> tile_starts(int64_t length, const Tiling& tiling) {
  std::vector<int64_t> starts;
  for (int64_t start = 0; start + tiling.size < length; start += tiling.stride) {
    starts.push_back(start);
  }
  starts.push_back(std::max<int64_t>(0, length - tiling.size));
  return starts;
}

at::Tensor run_tiled(const at::Tensor& x_CHW, const Tiling& tiling, int64_t scale_num,
                     int64_t scale_den, const std::function<at::Tensor(const at::Tensor&)>& half) {
  const int64_t H = x_CHW.size(1), W = x_CHW.size(2);
  const int64_t height = std::min(tiling.size, H), width = std::min(tiling.size, W);
  const auto scaled = [&](int64_t n) { return n * scale_num / scale_den; };
  const at::Tensor mask =
      blend_mask(scaled(height), scaled(width), std::max<int64_t>(1, scaled(tiling.stride / 2)));
  at::Tensor sum_CHW, weight_HW = at::zeros({scaled(H), scaled(W)}, at::kFloat);
  for (const int64_t y : tile_starts(H, tiling)) {
    for (const int64_t x : tile_starts(W, tiling)) {
      const at::Tensor tile_CHW = half(x_CHW.narrow(1, y, height).narrow(2, x, width));
      if (!sum_CHW.defined()) {
        sum_CHW = at::zeros({tile_CHW.size(0), scaled(H), scaled(W)}, at::kFloat);
      }
      const auto place = [&](const at::Tensor& whole, int64_t first_axis) {
        return whole.narrow(first_axis, scaled(y), mask.size(0))
            .narrow(first_axis + 1, scaled(x), mask.size(1));
      };
      place(sum_CHW, 1).add_(tile_CHW.to(at::kFloat).mul(mask));
      place(weight_HW, 0).add_(mask);
    }
  }
  return sum_CHW.div_(weight_HW);
}

}  // namespace gesso::flux_vae
