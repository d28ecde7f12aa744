// A command line of DiffSynth-Studio's train.py as a recipe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/registry/registry.hpp"

namespace gesso::config {

struct ConvertedRecipe {
  std::string toml;
  std::vector<std::string> notes;  // what means nothing here, or something else
};

/// @param text  a command line, or a whole shell script with one in it: accelerate, torchrun or
///              python before train.py, or the arguments alone
/// @throws Error  InvalidArgument for an argument that train.py does not know, a wrong value,
/// quotes
///                that do not close, no train.py or several of them
ConvertedRecipe recipe_of_arguments(std::string_view text, const registry::Registry& registry);

/// The words of each command in a shell script; comments are left out, nothing is expanded.
/// @throws Error  InvalidArgument for an unclosed quote
std::vector<std::vector<std::string>> shell_commands(std::string_view text);

}  // namespace gesso::config
