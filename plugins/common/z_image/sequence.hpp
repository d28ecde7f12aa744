// Pictures and captions as sequences of tokens: patches, padding, positions.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/rotary.hpp"
#include "z_image/dit_config.hpp"

namespace gesso::z_image {

constexpr int64_t kPatch = 2;              // latent cells along a side of a patch
constexpr int64_t kSequenceMultiple = 32;  // sequences are padded to it; padding is not masked

constexpr int64_t padded(int64_t length) {
  return (length + kSequenceMultiple - 1) / kSequenceMultiple * kSequenceMultiple;
}

/// Token counts of one item of the batch.
struct SequenceSizes {
  int64_t rows, columns;  // patches
  int64_t caption;        // tokens without padding
  int64_t image() const { return rows * columns; }
  int64_t padded_image() const { return padded(image()); }
  int64_t padded_caption() const { return padded(caption); }
};

/// @throws Error  InvalidArgument for an odd or empty picture, an empty caption, or positions
/// beyond
///                the model's tables
SequenceSizes sequence_sizes(int64_t height, int64_t width, int64_t caption,
                             const DitConfig& config);

/// [C, H, W] -> [H/2 * W/2, 4C]; within a patch the channel runs fastest, then the column.
at::Tensor patchify(const at::Tensor& latents_CHW);
/// The reverse, of `rows` x `columns` patches; [L, 4C] -> [C, H, W].
at::Tensor unpatchify(const at::Tensor& patches_LP, int64_t rows, int64_t columns);

/// Appends copies of `token` [1, D] until the length is `length`.
at::Tensor pad_with(const at::Tensor& x_LD, const at::Tensor& token_1D, int64_t length);

/// Caption token k, padding included: (1 + k, 0, 0).
nn::Rotary caption_rotary(const SequenceSizes& sizes, const DitConfig& config);
/// Image token: (padded caption + 1, row, column); image padding: (0, 0, 0).
nn::Rotary image_rotary(const SequenceSizes& sizes, const DitConfig& config);

}  // namespace gesso::z_image
