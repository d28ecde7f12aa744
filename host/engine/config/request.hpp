// A request with every parameter resolved: its own value, else the file's, else the variant's
// default, else the preset of the component that reads it, else the built-in one.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "engine/config/pipeline_plan.hpp"
#include "engine/image/image.hpp"
#include "runtime/runtime.hpp"

namespace gesso::config {

using Images = std::map<std::string, std::shared_ptr<const image::Image>>;

/// @param values  parameters of [generate] by key; relative paths start from the working folder.
///                What stands in tables may be given one by one: "controlnet_inputs.0.scale"
/// @param images  pictures by key, such as "input_image", instead of paths; see `add_pictures`
/// @return        complete; without a seed anywhere, each picture has a random one of 32 bits.
///                Sizes are as asked: the runtime rounds them
/// @throws Error  InvalidArgument with every problem on a line of its own, each beginning with the
///                key; as image::load for an input image
runtime::GenerateRequest resolve_request(const PipelinePlan& plan, const nlohmann::json& values,
                                         const Images& images = {});

/// What is written into picture `index`: `request.metadata` with its own prompt, negative prompt
/// and seed, and the sizes as they are now. {"variant", "numerics", "components": {role: {"id",
/// "version", "dtype"}}, "generate": {parameters of [generate]}}: enough to make the picture again.
nlohmann::json picture_metadata(const runtime::GenerateRequest& request, size_t index);

}  // namespace gesso::config
