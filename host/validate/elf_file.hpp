// What a library exports and imports, read without running it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gesso::validate {

struct ElfFile {
  std::vector<std::string> exports, imports;  // sorted, without versions
  bool executable_stack = false;
  bool from_rust = false;  // its compilers left their names
};

/// @throws Error  BadData when it is no shared library for 64-bit machines of this byte order
ElfFile read_elf(const std::filesystem::path& file);

}  // namespace gesso::validate
