// Parameters as manifests describe them: [[component.param]] and [[component.run_param]].
#pragma once

#include "engine/registry/registry.hpp"
#include "engine/registry/strict_table.hpp"

namespace gesso::registry {

/// @param title  "[[component.param]]"
/// @throws Error InvalidArgument with file:line:column for an unknown type, a default of another
///               type, outside of its bounds or choices, bounds on what has no order, a key twice
std::vector<Param> read_params(const StrictTable& component, std::string_view key,
                               const std::string& title);

/// "int" for GESSO_VALUE_INT, and so on.
std::string_view type_name(int32_t type);

/// Of a list, the type of its elements; of all others, the type itself.
int32_t element_type(int32_t type);

}  // namespace gesso::registry
