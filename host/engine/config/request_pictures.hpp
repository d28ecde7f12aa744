// The pictures of a request, from memory or from files.
#pragma once

#include "engine/config/request.hpp"

namespace gesso::config {

/// Fills in input_image, inpaint_mask, edit_images, controlnet_inputs and image2lora_images; makes
/// the mask soft, and the canvas larger for `outpaint`, which then sets height and width.
///
/// @param values  checked parameters of [generate]
/// @param images  pictures by key, instead of paths; items of lists are "edit_image.0",
///                "controlnet_inputs.0.image", counted from 0
/// @throws Error  as image::load; InvalidArgument for an unknown key, naming those that there are;
///                NotFound for a preprocessor
void add_pictures(runtime::GenerateRequest& request, const registry::Registry& registry,
                  const nlohmann::json& values, const Images& images);

}  // namespace gesso::config
