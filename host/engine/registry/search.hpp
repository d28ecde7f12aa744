// Where plugins are looked for, and which manifests lie there.
#pragma once

#include <filesystem>
#include <vector>

#include "engine/registry/registry.hpp"

namespace gesso::registry {

/// Everything met, in the order of the search: manifests to read, with an empty reason; and what is
/// refused at sight, with one (a library without manifest, a given path that does not exist, a
/// relative path in the environment). The working folder is never searched, and the environment is
/// ignored when the process has raised privileges.
std::vector<Candidate> find_manifests(const SearchOptions& options);

/// Where plugins are that came with this build or installation.
std::vector<std::filesystem::path> default_folders();

/// The folder of the library or program that holds this code.
std::filesystem::path own_folder();

}  // namespace gesso::registry
