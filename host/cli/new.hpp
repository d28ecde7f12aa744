// gesso new: the one command that needs neither engine nor library.
#pragma once

#include <CLI/CLI.hpp>

namespace gesso::cli {

void add_new(CLI::App& app);

}  // namespace gesso::cli
