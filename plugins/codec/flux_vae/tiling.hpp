// Large pictures tile by tile: overlapping squares, blended by how far a pixel lies from the
// border.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace gesso::flux_vae {

struct Tiling {
  int64_t size, stride;  ///< in cells of the input
};

/// Where tiles begin along a side of `length`: every `stride`, and one at the very end where the
/// stride does not divide. One tile when the side is not longer than a tile.
std::vector<int64_t> tile_starts(int64_t length, const Tiling& tiling);

/// Runs `half` on every tile and blends the results in float32.
///
/// @param x_CHW      input of the whole picture
/// @param scale_num, scale_den   size of the result over the size of the input: 8/1 or 1/8
/// @param half       one tile in, its result out, by `scale` larger
at::Tensor run_tiled(const at::Tensor& x_CHW, const Tiling& tiling, int64_t scale_num,
                     int64_t scale_den, const std::function<at::Tensor(const at::Tensor&)>& half);

}  // namespace gesso::flux_vae
