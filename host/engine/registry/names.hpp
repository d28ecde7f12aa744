// How ids, kinds, interfaces and files are spelled in manifests and variants.
#pragma once

#include <filesystem>
#include <string>

#include "engine/registry/strict_table.hpp"

namespace gesso::registry {

// Each reads one required text of a table.
// @throws Error InvalidArgument with file:line:column

/// "org.example.z_image": lower case, at least one dot.
std::string read_id(const StrictTable& table, std::string_view key);

/// One of `kKinds`, or a third party's, spelled like an id.
std::string read_kind(const StrictTable& table, std::string_view key);

/// "gesso.module/1": an id or a word, and a revision.
std::vector<std::string> read_interfaces(const StrictTable& table, std::string_view key);

/// A path below the folder of the manifest.
/// @throws Error also when it is absolute or leads out of the folder
std::filesystem::path inside_folder(const toml::node& where, std::string_view name,
                                    const std::filesystem::path& folder);

}  // namespace gesso::registry
