// Parts of a picture that are denoised one after another, for sizes beyond what the model or the
// memory takes. Neighbours overlap, and their predictions are blended.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace gesso::runtime {

/// Latent cells.
struct Tile {
  int64_t top = 0, left = 0, height = 0, width = 0;
  bool operator==(const Tile&) const = default;
};

/// Tiles of `size` x `size` (less where the picture is smaller) that cover the picture, neighbours
/// overlapping by `overlap` at least; the last ones are shifted to the border. Size 0: one tile.
/// All numbers are multiples of `unit`.
std::vector<Tile> tiles_of(int64_t height, int64_t width, int64_t size, int64_t overlap,
                           int64_t unit);

at::Tensor cut(const at::Tensor& whole_CHW, const Tile& tile);

/// @throws Error Incompatible unless `whole_CHW` is as high and wide as the tiles together; `what`
/// is the tensor's name and its maker's
void check_covers(const at::Tensor& whole_CHW, const std::vector<Tile>& tiles,
                  const std::string& what);

/// Sums up parts, each with a weight that falls off linearly over `overlap` towards its edges.
class Blend {
 public:
  /// @param like_CHW  size and type of the whole
  Blend(const at::Tensor& like_CHW, int64_t overlap);
  void add(const at::Tensor& part_CHW, const Tile& tile);
  at::Tensor result() const;

 private:
  at::Tensor sum_CHW_, weight_1HW_;
  int64_t overlap_;
  at::ScalarType type_;
};

}  // namespace gesso::runtime
