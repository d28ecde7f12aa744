// Pictures to the features that image-to-LoRA decodes, by two image encoders of the pipeline.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "gesso/cpp/module.hpp"

namespace gesso::image2lora {

inline constexpr const char* kEncoderRoles[] = {"siglip2_image_encoder", "dinov3_image_encoder"};

/// Each picture covers 1024 x 1024 pixels, its middle goes through both encoders, and their vectors
/// are joined: [SigLIP 2 ; DINOv3].
/// @param pixels_3HW  of each picture, in [-1, 1]
/// @return            [E] of each picture; float32 when the encoders differ in their types
/// @throws Error      NotFound when a role is not filled; InvalidArgument for pixels of another
///                    shape; Incompatible when an encoder gives no vector; the encoders' own
std::vector<at::Tensor> encode_pictures(const Host& host, const Call& call,
                                        const std::vector<at::Tensor>& pixels_3HW);

/// What the encoders estimate for `pictures` pictures: their work, and the larger of their rooms.
gesso_estimate_t estimate_encoding(const Host& host, size_t pictures);

}  // namespace gesso::image2lora
