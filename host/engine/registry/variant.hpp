// Reads NAME.variant.toml: which components make up a model, and how it likes to be used.
#pragma once

#include <filesystem>

#include "engine/registry/registry.hpp"

namespace gesso::registry {

/// @throws Error InvalidArgument with file:line:column; NotFound when the file is missing
VariantInfo read_variant(const std::filesystem::path& file, const std::string& plugin_id);

}  // namespace gesso::registry
