// What to say about a command line that could not be read.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace gesso::cli {

/// The parser's text, with the nearest option or command when a name is unknown, and where to read
/// on.
std::string explain(const CLI::App& app, const CLI::ParseError& error);

}  // namespace gesso::cli
