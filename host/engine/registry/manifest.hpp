// Reads <plugin>.gesso.toml and the files it names: everything that is known of a plugin without
// running it.
#pragma once

#include <filesystem>
#include <vector>

#include "engine/registry/registry.hpp"

namespace gesso::registry {

struct Manifest {
  PluginInfo plugin;
  std::vector<ComponentInfo> components;
  std::vector<VariantInfo> variants;
};

/// A manifest without components needs no library: it publishes variants of others' components.
///
/// @throws Error InvalidArgument with file:line:column; Incompatible for another ABI; NotFound when
///               the library or another file it names is missing
Manifest read_manifest(const std::filesystem::path& file);

}  // namespace gesso::registry
