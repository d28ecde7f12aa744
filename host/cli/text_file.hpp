// Small files that commands read whole.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gesso/cpp/error.hpp"

namespace gesso::cli {

/// @throws Error  NotFound when it cannot be opened
inline std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(Status::NotFound, fmt::format("{}: cannot be read", file.string()));
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace gesso::cli
