// Reads NAME.variant.toml: which components make up a model, and how it likes to be used.
#pragma once

#include <filesystem>

#include "engine/registry/registry.hpp"

namespace gesso::registry {

/// @throws Error InvalidArgument with file:line:column; NotFound when the file is missing
VariantInfo read_variant(const std::filesystem::path& file, const std::string& plugin_id);

/// Fills in what `variant` takes over from `base`: its roles, defaults, limits and synthetic sizes,
/// each by its name. Words for people (summary, notes, aliases) are not taken over.
void extend(VariantInfo& variant, const VariantInfo& base);

}  // namespace gesso::registry
