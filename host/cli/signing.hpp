// The digest of a plugin's library, written into its manifest.
#pragma once

#include <filesystem>
#include <string>

namespace gesso::cli {

/// Sets "sha256" of a manifest, behind its "library"; everything else stays as it is written.
/// @return        the digest
/// @throws Error  NotFound when a file is missing, InvalidArgument when the manifest names no
/// library
std::string sign_plugin(const std::filesystem::path& manifest);

}  // namespace gesso::cli
