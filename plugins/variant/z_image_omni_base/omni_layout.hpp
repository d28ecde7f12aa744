// The sequence of one item: segments of text, pictures, and features of the condition pictures.
//
//   [ segment 0 | segment 1 | ... ]  [ condition 0 | ... | target ]  [ features 0 | ... ]
//
// Each piece is padded to a multiple of 32 by itself; padding is not masked. Picture j stands, on
// the first axis of positions, behind segment j. Segments, pictures and features of the condition
// pictures are modulated as clean, all others as noisy.
#pragma once

#include <vector>

#include "nn/rotary.hpp"
#include "z_image/dit_config.hpp"
#include "z_image/row_conditions.hpp"

namespace gesso::z_image_omni_base {

/// Places of the embedded timesteps among an item's conditions.
enum Condition : size_t { kNoisy, kClean };

struct Grid {
  int64_t rows, columns;
  int64_t count() const { return rows * columns; }
};

struct OmniLayout {
  std::vector<int64_t> segments;  ///< rows of text in each
  std::vector<Grid> pictures;     ///< latent cells: the condition pictures, then the target
  std::vector<Grid> features;     ///< of the condition pictures; empty without image encoder

  size_t n_conditions() const { return pictures.size() - 1; }
  /// Tokens with padding.
  int64_t text_tokens() const;
  int64_t picture_tokens() const;
  int64_t feature_tokens() const;
  int64_t tokens() const { return text_tokens() + picture_tokens() + feature_tokens(); }
  /// Where the target starts among the tokens of the pictures, and how many it has.
  int64_t target_begin() const;
  int64_t target_tokens() const;

  std::vector<z_image::RowConditions::Run> picture_runs() const;
  std::vector<z_image::RowConditions::Run> joined_runs() const;
};

/// @throws Error  InvalidArgument for a picture of odd or no size, an empty segment, or a number of
///                segments that does not go with the number of pictures
void check_layout(const OmniLayout& layout);

// The angles of the pieces of one kind, one after another.
// @throws Error  InvalidArgument for positions beyond the model's tables
//
// All three as in the reference, which the model was trained with:
/// Token k of a segment: (start + k, 0, 0), padding included; but a padded segment brings its
/// padding's (0, 0, 0) as well, and the list is cut at the end. So the segments behind it are
/// shifted.
nn::Rotary text_rotary(const OmniLayout& layout, const z_image::DitConfig& config);
/// Patch of picture j: (end of segment j, row, column); padding: (0, 0, 0).
nn::Rotary picture_rotary(const OmniLayout& layout, const z_image::DitConfig& config);
/// Feature of picture j: (end of segment j + 1, row, column), rows and columns stretched over the
/// latent cells (not the patches) of the picture; padding: (0, 0, 0).
nn::Rotary feature_rotary(const OmniLayout& layout, const z_image::DitConfig& config);

}  // namespace gesso::z_image_omni_base
