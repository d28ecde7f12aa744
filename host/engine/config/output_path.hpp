// Names of result files: "out/{name}-{seed}.png".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gesso::config {

/// What the placeholders stand for.
struct OutputName {
  std::string name;    // {name}: the pipeline file without folder and ending
  uint64_t index = 0;  // {index}: the picture's number from 0, at least four digits
  uint64_t seed = 0;   // {seed}
  std::string prompt;  // {prompt}: its first words, only letters, digits and "-"
};

/// What is wrong with a pattern: an unknown placeholder, a stray brace, an ending that is no image
/// format. "" when it is right.
std::string check_output_path(std::string_view pattern);

/// @throws Error  InvalidArgument with the text of `check_output_path`
std::string expand_output_path(std::string_view pattern, const OutputName& picture);

/// One path per picture.
/// @throws Error  also when two pictures would get the same file
std::vector<std::string> expand_output_paths(std::string_view pattern,
                                             std::span<const OutputName> pictures);

}  // namespace gesso::config
