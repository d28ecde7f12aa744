// Plugins without files: the host's own code gives a manifest as text, and an entry. They are kept
// for the life of the process, as libraries are, under a path that stands for their manifest:
// whoever searches or reads meets that path and asks here first.
#pragma once

#include <filesystem>
#include <string>

#include "gesso/plugin.h"

namespace gesso::registry {

struct Registered {
  std::string manifest;
  std::filesystem::path library;  // stands for what would be loaded
};

/// A path for SearchOptions::given. Thread-safe.
std::filesystem::path keep_registered(std::string manifest, gesso_plugin_entry_t entry);

/// Null for paths of files. Thread-safe.
const Registered* find_registered(const std::filesystem::path& manifest);

/// The entry of a registered library; null for files. The path itself carries it: libgesso and its
/// runtime are two libraries with a copy of this code each, and the runtime loads what libgesso
/// found. No manifest can name such a path.
gesso_plugin_entry_t registered_entry(const std::filesystem::path& library);

}  // namespace gesso::registry
