// The JSON Schema of pipeline files, for editors: completion, descriptions, errors while typing.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/registry/registry.hpp"

namespace gesso::config {

/// @param registry  null: only what every pipeline file has; roles and parameters of components are
///                  left open
/// @param variant   null: any; else its roles, its parameters and its defaults, and nothing more
/// @return          draft 7, as Taplo reads it (`#:schema pipeline.schema.json`)
nlohmann::json pipeline_schema(const registry::Registry* registry,
                               const registry::VariantInfo* variant);

/// The same of recipes: pipeline files with [train].
nlohmann::json recipe_schema(const registry::Registry* registry);

}  // namespace gesso::config
