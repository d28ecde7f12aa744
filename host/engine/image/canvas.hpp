// A larger canvas around a picture, and soft masks: what painting beyond the edges needs.
#pragma once

#include "engine/image/image.hpp"

namespace gesso::image {

/// Pixels to add on each side.
struct Margins {
  int left = 0, top = 0, right = 0, bottom = 0;
};

/// The same with right and bottom widened until both sides of the canvas are multiples.
Margins rounded_up(Margins margins, const Image& picture, int multiple);

/// The picture on a canvas that its nearest edge pixels fill.
Image with_margins(const Image& picture, const Margins& margins);

/// White where `with_margins` made something up, else `inner` (of the picture's size; null: black).
Image outside_mask(const Image& picture, const Margins& margins, const Image* inner);

/// Blurs each channel with a radius of about so many pixels: three passes of a box.
Image blurred(const Image& picture, int radius);

}  // namespace gesso::image
