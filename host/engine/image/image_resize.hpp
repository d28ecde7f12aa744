// Other sizes of an image, with PIL's pixels.
#pragma once

#include <cstdint>

#include "engine/image/image.hpp"

namespace gesso::image {

struct Size {
  int width = 0, height = 0;
  bool operator==(const Size&) const = default;
};

/// Anti-aliased bilinear resize: a triangle filter as wide as the shrink factor, applied along
/// rows, then along columns, each with 22-bit integer weights. RGBA is weighted by alpha. Metadata
/// stays.
///
/// @throws Error  InvalidArgument for a size below 1
/// Source: Pillow, src/libImaging/Resample.c, Image.resize(..., BILINEAR). Pillow 13 takes columns
/// first where height shrinks by more than twice as many pixels as width: a difference of 1 at
/// most.
Image resize_bilinear(const Image& image, Size size);

/// Cuts `size` out of the middle; an odd rest is split as in the reference (round half to even).
/// @throws Error  InvalidArgument when `size` does not fit in the image
Image center_crop(const Image& image, Size size);

/// Covers `target` (scaled to touch both sides), then cuts out the middle.
Image crop_and_resize(const Image& image, Size target);

/// The size that the reference gives an image: shrunk to at most `max_pixels` keeping its shape,
/// each side rounded down to a multiple of its factor. Images are never enlarged.
///
/// @throws Error  InvalidArgument when a side would be 0: the image is smaller than the factor
/// Source: diffsynth.core.data.operators:ImageCropAndResize
Size limited_size(Size size, int64_t max_pixels, int height_factor = 16, int width_factor = 16);

/// `crop_and_resize` to `limited_size`.
Image crop_and_resize(const Image& image, int64_t max_pixels, int height_factor = 16,
                      int width_factor = 16);

}  // namespace gesso::image
