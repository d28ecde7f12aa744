// The answer of gesso_plan as a picture: a bar per stage and limit.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace gesso::cli {

/// An SVG document. Blue: weights and what the process holds; orange: activations; red line: the
/// limit.
std::string plan_svg(const nlohmann::json& plan);

}  // namespace gesso::cli
