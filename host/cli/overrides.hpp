// What a run starts from: the demo, or a picture that was made before.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace gesso::cli {

/// The demo's pipeline file, beside the program. @throws Error NotFound
std::string demo_pipeline();

/// What Gesso wrote into a picture. @throws Error BadData when it is not one of ours
nlohmann::json parameters_of(const std::string& picture);

/// The pipeline file that made it. @throws Error NotFound when it is gone
std::string pipeline_of(const nlohmann::json& parameters);

/// The same as texts for --set.
std::vector<std::string> overrides_from(const nlohmann::json& parameters);

}  // namespace gesso::cli
