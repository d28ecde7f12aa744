#include "z_image/sequence.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <string>

namespace gesso::z_image {

SequenceSizes sequence_sizes(int64_t height, int64_t width, int64_t caption,
                             const DitConfig& config) {
  if (height <= 0 || width <= 0 || height % kPatch || width % kPatch) {
    throw Error(Status::InvalidArgument, "latents: expected an even height and width, found " +
                                             std::to_string(height) + " x " +
                                             std::to_string(width) +
                                             "; sizes of pictures are multiples of 16 pixels");
  }
  const SequenceSizes sizes{height / kPatch, width / kPatch, caption};
  if (caption <= 0) {
    throw Error(Status::InvalidArgument, "text: expected one token at least, found none");
  }
  const int64_t most[] = {sizes.padded_caption() + 1, sizes.rows - 1, sizes.columns - 1};
  for (size_t axis = 0; axis < 3; ++axis) {
    if (most[axis] < config.axes_lens[axis]) continue;
    const char* what[] = {"caption tokens", "rows of patches", "columns of patches"};
    throw Error(Status::InvalidArgument,
                std::string("too many ") + what[axis] + ": the last position would be " +
                    std::to_string(most[axis]) + ", the model has positions below " +
                    std::to_string(config.axes_lens[axis]));
  }
  return sizes;
}

at::Tensor patchify(const at::Tensor& latents_CHW) {
  return latents_CHW.unflatten(2, {-1, kPatch})
      .unflatten(1, {-1, kPatch})  // C, rows, 2, columns, 2
      .permute({1, 3, 2, 4, 0})
      .flatten(2)
      .flatten(0, 1);
}

at::Tensor unpatchify(const at::Tensor& patches_LP, int64_t rows, int64_t columns) {
  return patches_LP.unflatten(1, {kPatch, kPatch, -1})
      .unflatten(0, {rows, columns})  // rows, columns, 2, 2, C
      .permute({4, 0, 2, 1, 3})
      .flatten(3)
      .flatten(1, 2);
}

at::Tensor pad_with(const at::Tensor& x_LD, const at::Tensor& token_1D, int64_t length) {
  if (x_LD.size(0) == length) return x_LD;
  return at::cat({x_LD, token_1D.expand({length - x_LD.size(0), -1})}, 0);
}

nn::Rotary caption_rotary(const SequenceSizes& sizes, const DitConfig& config) {
  const int64_t n = sizes.padded_caption();
  at::Tensor positions = at::zeros({n, 3}, at::kInt);
  positions.select(1, 0).copy_(at::arange(1, n + 1, at::kInt));
  return nn::rotary_table(positions, config.axes_dims, config.rope_theta);
}

nn::Rotary image_rotary(const SequenceSizes& sizes, const DitConfig& config) {
  at::Tensor positions = at::zeros({sizes.padded_image(), 3}, at::kInt);
  at::Tensor grid = positions.narrow(0, 0, sizes.image()).unflatten(0, {sizes.rows, sizes.columns});
  grid.select(2, 0).fill_(sizes.padded_caption() + 1);
  grid.select(2, 1).copy_(at::arange(sizes.rows, at::kInt).unsqueeze(1));
  grid.select(2, 2).copy_(at::arange(sizes.columns, at::kInt));
  return nn::rotary_table(positions, config.axes_dims, config.rope_theta);
}

}  // namespace gesso::z_image
