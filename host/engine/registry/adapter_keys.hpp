// Which delta source reads a LoRA file, by the names of its tensors.
#pragma once

#include <string>
#include <vector>

#include "engine/registry/registry.hpp"

namespace gesso::registry {

/// The first delta source that knows all names and finds one of its marks; null: there is none.
const ComponentInfo* adapter_for(const std::vector<std::string>& names, const Registry& registry);

/// Whether any delta source knows the name.
bool is_adapter_key(const std::string& name, const Registry& registry);

}  // namespace gesso::registry
