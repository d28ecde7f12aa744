// Where a setting was written, for messages: "emoji.toml:12:9" or "--set prompt=a dog".
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace gesso::config {

/// A file, a text that stands for one, or an override.
struct Source {
  std::string name;                             // as messages call it
  std::optional<std::filesystem::path> folder;  // relative paths start here; none: only absolute
  bool has_lines = true;                        // false for an override
};

struct Place {
  std::shared_ptr<const Source> source;
  uint32_t line = 0, column = 0;  // from 1; 0: the source as a whole

  std::string text() const;

  /// `path` as this source means it, without "." and "..". The file need not exist.
  /// @throws Error  InvalidArgument for a relative path in a text that has no folder
  std::filesystem::path resolve(const std::filesystem::path& path) const;
};

}  // namespace gesso::config
