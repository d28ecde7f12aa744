// Texts from outside, for messages.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace gesso::base {

/// The beginning of UTF-8, at most `max_bytes`, not cut inside a character; "..." tells that there
/// was more.
inline std::string excerpt(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

/// Valid UTF-8: what is not becomes U+FFFD, so that the text can go into messages and JSON.
inline std::string clean(std::string_view text) {
  using nlohmann::json;
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace gesso::base
