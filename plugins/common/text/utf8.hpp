// Is a text UTF-8, and what if not? For plugins that read words; needs ICU.
#pragma once

#include <fmt/format.h>
#include <unicode/utf8.h>

#include <string>
#include <string_view>

#include "gesso/cpp/error.hpp"

namespace gesso::text {

/// @throws Error InvalidArgument with the byte where the first broken character begins
inline void check_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    UChar32 c;
    U8_NEXT(text.data(), at, text.size(), c);
    if (c < 0)
      throw Error(
          Status::InvalidArgument,
          fmt::format("the text is not UTF-8: byte {} is 0x{:02x}, which begins no character "
                      "or one that is cut; was it saved in another encoding?",
                      start, static_cast<unsigned char>(text[start])));
  }
}

/// A copy in which each maximal broken sequence became U+FFFD.
inline std::string repair_utf8(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    const size_t start = at;
    UChar32 c;
    U8_NEXT(bytes.data(), at, bytes.size(), c);
    text += c < 0 ? std::string_view("\xef\xbf\xbd") : bytes.substr(start, at - start);
  }
  return text;
}

}  // namespace gesso::text
