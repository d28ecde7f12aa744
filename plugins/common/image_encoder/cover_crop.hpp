// A picture made to fit a frame, with PIL's pixels.
#pragma once

#include "image_encoder/picture.hpp"

namespace gesso::image_encoder {

/// Scales the picture until it touches both sides of the frame, then cuts out the middle: an
/// anti-aliased bilinear resize with 22-bit weights, along rows, then along columns. Only what
/// stays inside the frame is computed, so that very long pictures need no more room than others.
///
/// @param bytes_3HW  uint8
/// @return           uint8 [3, frame.height, frame.width]
/// Source: DiffSynth-Studio, core/data/operators.py (ImageCropAndResize); Pillow, Resample.c.
/// Pillow 13 takes columns first where height shrinks by much more than width: a difference of 1 at
/// most.
at::Tensor cover_crop(const at::Tensor& bytes_3HW, Size frame);

}  // namespace gesso::image_encoder
