// Models as DiffSynth-Studio's command line names them, put into the components of a recipe.
#pragma once

#include <string>
#include <vector>

#include "engine/config/node.hpp"
#include "engine/config/problem.hpp"
#include "engine/models/model_ref.hpp"
#include "engine/registry/registry.hpp"

namespace gesso::config {

/// One entry of model_paths or model_id_with_origin_paths, and the role it fills.
struct NamedModel {
  std::string written;  // as fp8_models, offload_models and quant_options repeat it
  std::string role;     // "": not found, and a problem
};

/// The part before the last colon, and the part behind it.
struct ModelAndPattern {
  std::string model_id, pattern;
};
/// @throws Error  InvalidArgument without a colon
ModelAndPattern split_model(const std::string& written);

/// Texts of a list, or of one text with commas.
std::vector<std::string> split_list(const nlohmann::json& value);

/// Reads the entries out of [train] and adds to `document` what they say: `variant`, and a table
/// for each role that has none. What the document says itself stays.
/// @param missing  gets models that are to be fetched before it can be told what they are; null:
/// nobody asks
std::vector<NamedModel> add_named_models(Node& document, const registry::Registry& registry,
                                         std::vector<models::ModelRef>* missing,
                                         Problems& problems);

}  // namespace gesso::config
