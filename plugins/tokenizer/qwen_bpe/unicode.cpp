#include "unicode.hpp"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>

namespace gesso::bpe {
namespace {

UChar32 first_of(std::string_view text) {
  size_t at = 0;
  UChar32 c = -1;
  if (!text.empty()) U8_NEXT(text.data(), at, text.size(), c);
  return c;
}

UChar32 last_of(std::string_view text) {
  const std::string_view tail = text.substr(text.size() - std::min<size_t>(text.size(), 4));
  auto at = static_cast<int32_t>(tail.size());
  UChar32 c = -1;
  if (at > 0) U8_PREV(tail.data(), 0, at, c);
  return c;
}

bool is_word(UChar32 c) {
  constexpr uint32_t kWord = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return c >= 0 && (u_isUAlphabetic(c) || (U_GET_GC_MASK(c) & kWord) ||
                    u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL));
}

}  // namespace

std::string utf8_of(char32_t code_point) {
  char buffer[U8_MAX_LENGTH];
  size_t size = 0;
  U8_APPEND_UNSAFE(buffer, size, code_point);
  return std::string(buffer, size);
}

size_t leading_space(std::string_view text) {
  size_t space = 0;
  for (size_t at = 0; at < text.size(); space = at) {
    UChar32 c;
    U8_NEXT(text.data(), at, text.size(), c);
    if (!u_isUWhiteSpace(c)) break;
  }
  return space;
}

size_t trailing_space(std::string_view text) {
  size_t space = 0;
  while (space < text.size()) {
    const UChar32 c = last_of(text.substr(0, text.size() - space));
    if (!u_isUWhiteSpace(c)) break;
    space += U8_LENGTH(c);
  }
  return space;
}

bool starts_with_word(std::string_view text) { return is_word(first_of(text)); }

bool ends_with_word(std::string_view text) { return is_word(last_of(text)); }

}  // namespace gesso::bpe
