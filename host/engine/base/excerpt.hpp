// Parts of long texts, for messages.
#pragma once

#include <string>
#include <string_view>

namespace gesso::base {

/// The beginning of UTF-8, at most `max_bytes`, not cut inside a character; "..." tells that there
/// was more.
inline std::string excerpt(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace gesso::base
