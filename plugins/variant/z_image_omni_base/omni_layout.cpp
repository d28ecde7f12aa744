#include "omni_layout.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>

#include "z_image/sequence.hpp"

namespace gesso::z_image_omni_base {
namespace {

using z_image::kPatch;
using z_image::padded;
using Runs = std::vector<z_image::RowConditions::Run>;

constexpr int64_t kGap = 2;  // positions between two segments

int64_t patches(const Grid& picture) { return picture.count() / (kPatch * kPatch); }

/// The position behind the last token of each segment, padding left out.
std::vector<int64_t> segment_ends(const OmniLayout& layout) {
  std::vector<int64_t> ends;
  int64_t position = 1;
  for (const int64_t rows : layout.segments) {
    ends.push_back(position + rows);
    position += rows + kGap;
  }
  return ends;
}

/// Adds rows; neighbours with the same condition become one run.
void append(Runs& runs, int64_t rows, Condition condition) {
  if (!runs.empty() && runs.back().condition == condition) {
    runs.back().rows += rows;
  } else {
    runs.push_back({rows, condition});
  }
}

void append_pictures(Runs& runs, const OmniLayout& layout) {
  for (size_t j = 0; j < layout.pictures.size(); ++j) {
    append(runs, padded(patches(layout.pictures[j])), j < layout.n_conditions() ? kClean : kNoisy);
  }
}

/// [padded(rows * columns), 3]: (frame, rows[i], columns[k]), then padding (0, 0, 0).
at::Tensor grid_positions(int64_t frame, const at::Tensor& rows, const at::Tensor& columns) {
  const int64_t count = rows.size(0) * columns.size(0);
  const at::Tensor positions = at::zeros({padded(count), 3}, at::kInt);
  const at::Tensor grid =
      positions.narrow(0, 0, count).unflatten(0, {rows.size(0), columns.size(0)});
  grid.select(2, 0).fill_(frame);
  grid.select(2, 1).copy_(rows.unsqueeze(1));
  grid.select(2, 2).copy_(columns);
  return positions;
}

/// 0 .. cells - 1 in `count` steps, cut to integers; in float32, as the reference does.
at::Tensor stretched(int64_t count, int64_t cells) {
  return at::arange(count, at::kFloat)
      .div(static_cast<float>(std::max<int64_t>(count - 1, 1)))
      .mul(static_cast<float>(cells - 1))
      .to(at::kInt);
}

nn::Rotary rotary_of(const std::vector<at::Tensor>& pieces, const std::string& what,
                     const z_image::DitConfig& config) {
  const at::Tensor positions = at::cat(pieces);
  for (int64_t axis = 0; axis < 3; ++axis) {
    const int64_t last = positions.select(1, axis).max().item<int>();
    const int64_t length = config.axes_lens[static_cast<size_t>(axis)];
    if (last < length) continue;
    const char* axes[] = {"the text", "rows", "columns"};
    throw Error(Status::InvalidArgument, what + ": too many positions along " + axes[axis] +
                                             ": the last would be " + std::to_string(last) +
                                             ", the model has positions below " +
                                             std::to_string(length));
  }
  return nn::rotary_table(positions, config.axes_dims, config.rope_theta);
}

}  // namespace

int64_t OmniLayout::text_tokens() const {
  int64_t tokens = 0;
  for (const int64_t rows : segments) tokens += padded(rows);
  return tokens;
}

int64_t OmniLayout::target_begin() const {
  int64_t tokens = 0;
  for (size_t j = 0; j < n_conditions(); ++j) tokens += padded(patches(pictures[j]));
  return tokens;
}

int64_t OmniLayout::target_tokens() const { return patches(pictures.back()); }

int64_t OmniLayout::picture_tokens() const { return target_begin() + padded(target_tokens()); }

int64_t OmniLayout::feature_tokens() const {
  int64_t tokens = 0;
  for (const Grid& map : features) tokens += padded(map.count());
  return tokens;
}

Runs OmniLayout::picture_runs() const {
  Runs runs;
  append_pictures(runs, *this);
  return runs;
}

Runs OmniLayout::joined_runs() const {
  Runs runs;
  for (size_t j = 0; j < segments.size(); ++j) {
    append(runs, padded(segments[j]), j < n_conditions() ? kClean : kNoisy);
  }
  append_pictures(runs, *this);
  if (!features.empty()) append(runs, feature_tokens(), kClean);
  return runs;
}

void check_layout(const OmniLayout& layout) {
  const auto refuse = [](const std::string& text) {
    throw Error(Status::InvalidArgument, "denoise: " + text);
  };
  for (size_t j = 0; j < layout.pictures.size(); ++j) {
    const Grid& p = layout.pictures[j];
    if (p.rows > 0 && p.columns > 0 && p.rows % kPatch == 0 && p.columns % kPatch == 0) continue;
    refuse((j < layout.n_conditions() ? "image_latents " + std::to_string(j) : "latents") +
           ": expected an even height and width, found " + std::to_string(p.rows) + " x " +
           std::to_string(p.columns) + "; sizes of pictures are multiples of 16 pixels");
  }
  const size_t n = layout.n_conditions(), expected = n == 0 ? 1 : n + 2;
  if (layout.segments.size() != expected) {
    refuse("text_segments: expected " + std::to_string(expected) + " for " + std::to_string(n) +
           " condition images, found " + std::to_string(layout.segments.size()) +
           "; was the prompt composed for another number of images?");
  }
  if (std::ranges::any_of(layout.segments, [](int64_t rows) { return rows <= 0; })) {
    refuse("text_segments: expected one token at least in each segment");
  }
  if (std::ranges::any_of(layout.features, [](const Grid& m) { return m.count() <= 0; })) {
    refuse("image_features: expected one feature at least in each map");
  }
}

nn::Rotary text_rotary(const OmniLayout& layout, const z_image::DitConfig& config) {
  const auto ends = segment_ends(layout);
  std::vector<at::Tensor> pieces;
  for (size_t j = 0; j < layout.segments.size(); ++j) {
    const int64_t rows = layout.segments[j], length = padded(rows), start = ends[j] - rows;
    const at::Tensor piece = at::zeros({length + (length - rows), 3}, at::kInt);
    piece.select(1, 0).narrow(0, 0, length).copy_(at::arange(start, start + length, at::kInt));
    pieces.push_back(piece);
  }
  return rotary_of({at::cat(pieces).narrow(0, 0, layout.text_tokens())}, "text", config);
}

nn::Rotary picture_rotary(const OmniLayout& layout, const z_image::DitConfig& config) {
  const auto ends = segment_ends(layout);
  std::vector<at::Tensor> pieces;
  for (size_t j = 0; j < layout.pictures.size(); ++j) {
    const Grid& p = layout.pictures[j];
    pieces.push_back(grid_positions(ends[j], at::arange(p.rows / kPatch, at::kInt),
                                    at::arange(p.columns / kPatch, at::kInt)));
  }
  return rotary_of(pieces, "latents and image_latents", config);
}

nn::Rotary feature_rotary(const OmniLayout& layout, const z_image::DitConfig& config) {
  const auto ends = segment_ends(layout);
  std::vector<at::Tensor> pieces;
  for (size_t j = 0; j < layout.features.size(); ++j) {
    const Grid &map = layout.features[j], &p = layout.pictures[j];
    pieces.push_back(grid_positions(ends[j] + 1, stretched(map.rows, p.rows),
                                    stretched(map.columns, p.columns)));
  }
  return rotary_of(pieces, "image_features", config);
}

}  // namespace gesso::z_image_omni_base
