// Which plugins may be loaded at all. Decided by their files and manifests, before any of their
// code runs.
#pragma once

#include <filesystem>
#include <string>

#include "engine/registry/manifest.hpp"

namespace gesso::registry {

/// `trust` with the allow list of GESSO_TRUSTED_PLUGINS (entries separated by ',') when it has
/// none.
/// @throws Error  InvalidArgument for an entry of the list that means nothing
Trust checked_trust(Trust trust, bool use_environment);

/// Refuses what somebody else can replace: a file or folder that everybody may write to (a folder
/// with the sticky bit may be on the way) or whose owner is neither this user nor root, up to the
/// root of the file system.
/// @throws Error  Denied naming the path, its owner and mode
void check_owner(const std::filesystem::path& path);

/// Whether the plugin came with this build: its manifest is named in shipped.txt of a folder of
/// plugins beside the program or in the installation.
bool is_shipped(const std::filesystem::path& manifest);

/// Refuses what the allow list does not name, and files that others can replace. Where the list
/// tells a digest, the library must have it: `manifest.plugin.sha256` is set, for loading.
/// @throws Error  Denied
void check_trust(Manifest& manifest, const Trust& trust);

}  // namespace gesso::registry
