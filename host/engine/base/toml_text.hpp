// TOML from outside, whoever wrote it.
#pragma once

#include <filesystem>
#include <string_view>

#include <toml++/toml.h>

namespace gesso::base {

/// As toml::parse, but a key has at most 16 parts (a.b.c): what walks through a document recurses
/// for each of them, so that a hostile one would end the program.
/// @param name  what the places of nodes and errors are called by
/// @throws toml::parse_error
toml::table parse_toml(std::string_view text, std::string_view name = {});

/// The same of a whole file, of at most 4 MiB.
/// @throws toml::parse_error; Error as MappedFile::open
toml::table read_toml(const std::filesystem::path& file);

}  // namespace gesso::base
