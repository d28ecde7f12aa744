#include "byte_level.hpp"

#include <array>

#include "unicode.hpp"

namespace gesso::bpe {
namespace {

constexpr bool is_printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> make_characters() {
  std::array<char32_t, 256> characters{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte)
    characters[byte] = is_printable(byte) ? static_cast<char32_t>(byte) : next++;
  return characters;
}

constexpr std::array<char32_t, 256> kCharacters = make_characters();
constexpr char32_t kEnd = 0x100 + 68;  // 68 bytes are not printable

constexpr std::array<int, kEnd> make_bytes() {
  std::array<int, kEnd> bytes{};
  for (int& byte : bytes) byte = -1;
  for (int byte = 0; byte < 256; ++byte) bytes[kCharacters[byte]] = byte;
  return bytes;
}

constexpr std::array<int, kEnd> kBytes = make_bytes();

}  // namespace

char32_t character_of(uint8_t byte) { return kCharacters[byte]; }

std::string to_byte_level(std::string_view bytes) {
  std::string text;
  for (char byte : bytes) text += utf8_of(character_of(static_cast<uint8_t>(byte)));
  return text;
}

std::optional<std::string> from_byte_level(std::string_view text) {
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    // All characters of the alphabet have one or two bytes in UTF-8.
    const auto lead = static_cast<uint8_t>(text[at++]);
    char32_t character = lead;
    if (lead >= 0x80) {
      if (lead >= 0xE0 || at == text.size()) return {};
      character = static_cast<char32_t>(lead & 0x1F) << 6 | (text[at++] & 0x3F);
    }
    if (character >= kEnd || kBytes[character] < 0) return {};
    bytes += static_cast<char>(kBytes[character]);
  }
  return bytes;
}

}  // namespace gesso::bpe
