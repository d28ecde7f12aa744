// Control pictures as latents: [16 of the map | 1 mask | 16 of the picture to paint in].
#pragma once

#include "gesso/cpp/module.hpp"

namespace gesso::z_image_control {

/// The operation "context". Encodes with the sibling "codec"; `tiled`, `tile_size` and
/// `tile_stride` are passed on to it.
///
/// Without a map its channels are -1; without a picture to paint in, the mask is 0 and the picture
/// is mid-grey, as in the reference. In the mask 1 means keep: the reverse of `inpaint_mask`.
/// @throws Error  InvalidArgument for pictures of another size than height and width, or a mask
///                without its picture; NotFound without codec
void make_context(const Host& host, const Call& call, const Inputs& inputs, Outputs& outputs);

}  // namespace gesso::z_image_control
