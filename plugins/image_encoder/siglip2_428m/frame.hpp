// What a picture becomes before SigLIP 2 NaFlex: patches in its own shape.
#pragma once

#include "image_encoder/component.hpp"

namespace gesso::siglip2_428m {

inline constexpr const char* kSpatialShapes = "spatial_shapes";
inline constexpr const char* kMask = "pixel_attention_mask";

/// The largest size with sides that are multiples of `patch` and with `max_patches` patches at
/// most, about in the shape of the picture. Source: transformers,
/// models/siglip2/image_processing_siglip2.py (bisection of the scale).
image_encoder::Size naflex_size(image_encoder::Size picture, int64_t patch, int64_t max_patches);

struct Frame {
  /// The patches of a picture, row by row; no padding.
  struct Values {
    at::Tensor patches_LP;  // float32, features in the order row, column, channel
    int64_t rows, columns;
  };
  int64_t patch = 0, max_patches = 0;

  /// patch_size (16) and max_num_patches (256) from config.json.
  /// @throws Error  InvalidArgument for values that are not positive
  static Frame read(const Setup& setup);
  Values preprocess(const at::Tensor& bytes_3HW) const;
  int64_t tokens(image_encoder::Size picture) const;

  /// As the reference: padded with zeros to `max_patches`, with a mask and the numbers of rows and
  /// columns.
  void put(const Values& values, int32_t item, Outputs& outputs) const;
  /// The patches that are no padding. @throws Error InvalidArgument for shapes that do not agree
  std::vector<Values> take(const Inputs& inputs) const;
};

}  // namespace gesso::siglip2_428m
