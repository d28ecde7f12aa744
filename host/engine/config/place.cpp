#include "engine/config/place.hpp"

#include <fmt/format.h>

#include "gesso/cpp/error.hpp"

namespace gesso::config {

std::string Place::text() const {
  if (!source->has_lines || line == 0) return source->name;
  return fmt::format("{}:{}:{}", source->name, line, column);
}

std::filesystem::path Place::resolve(const std::filesystem::path& path) const {
  if (path.is_absolute()) return path.lexically_normal();
  if (!source->folder) {
    throw Error(Status::InvalidArgument,
                fmt::format("\"{}\" is a relative path, and this text was given without a folder; "
                            "write an absolute path",
                            path.string()));
  }
  return (*source->folder / path).lexically_normal();
}

}  // namespace gesso::config
