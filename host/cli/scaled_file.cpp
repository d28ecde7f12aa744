#include "cli/scaled_file.hpp"

#include <charconv>

namespace gesso::cli {

ScaledFile split_scale(const std::string& text) {
  const size_t at = text.rfind('@');
  if (at == std::string::npos) return {text};
  const char* end = text.data() + text.size();
  double scale = 1;
  const auto [stop, error] = std::from_chars(text.data() + at + 1, end, scale);
  if (error != std::errc() || stop != end) return {text};
  return {text.substr(0, at), scale};
}

}  // namespace gesso::cli
