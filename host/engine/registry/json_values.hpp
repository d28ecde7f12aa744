// Values that plugins get, out of JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "gesso/cpp/value.hpp"

namespace gesso::registry {

/// Adds the scalars and lists of scalars of an object, under `prefix` and their keys; others are
/// left out, and what is no object adds nothing.
void add_values(ValueList& values, const nlohmann::json& object, const std::string& prefix = "");

ValueList values_from_json(const nlohmann::json& object);

}  // namespace gesso::registry
