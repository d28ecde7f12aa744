// Folders of made-up plugins, for tests that only read manifests.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "engine/registry/registry.hpp"

namespace gesso::test {

/// A manifest without fault. Its library must exist, but nobody loads it.
inline const std::string kManifest = R"(manifest = 1
plugin = { id = "org.test.one", version = "1.2.3", vendor = "Test", license = "MIT" }
abi = { major = 1, minor = 0 }
library = "one.so"
requires.runtime = "none"

[[component]]
id = "org.test.one.denoiser"
kind = "denoiser"
name = "One"
version = "1.2.3"
summary = "A denoiser."
interfaces = ["gesso.module/1"]
)";

/// `text` with the first `from` replaced, to make one fault.
inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  return text.replace(text.find(from), from.size(), to);
}

/// A folder that vanishes with the object.
class PluginFolder {
 public:
  PluginFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "gesso-plugins-XXXXXX").string();
    path_ = std::filesystem::canonical(mkdtemp(name.data()));
  }
  ~PluginFolder() { std::filesystem::remove_all(path_); }
  PluginFolder(const PluginFolder&) = delete;
  PluginFolder& operator=(const PluginFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Writes a file, and the folders it lies in.
  std::filesystem::path write(const std::filesystem::path& name, std::string_view text = {}) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    return file;
  }

  /// Writes a manifest and an empty library of the same name.
  std::filesystem::path write_plugin(const std::filesystem::path& name,
                                     std::string_view manifest = kManifest) const {
    write(name.parent_path() / "one.so");
    return write(name.string() + ".gesso.toml", manifest);
  }

 private:
  std::filesystem::path path_;
};

/// What is found when only `given` is searched.
inline std::shared_ptr<registry::Registry> scan(std::vector<std::filesystem::path> given) {
  return registry::Registry::scan({.given = std::move(given),
                                   .use_environment = false,
                                   .use_default_paths = false,
                                   .runtime_version = {}});
}

/// True when a CHECK'ed text holds the other; doctest prints both if not.
inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace gesso::test
