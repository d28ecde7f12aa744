// The alphabet of byte-level BPE: each byte is written as one printable character.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gesso::bpe {

/// Character of a byte: itself when printable in Latin-1, else the next one from U+0100 on.
/// Source: GPT-2, encoder.py (bytes_to_unicode).
char32_t character_of(uint8_t byte);

/// The same for a text, in UTF-8: " a" becomes U+0120 "a".
std::string to_byte_level(std::string_view bytes);

/// The reverse. Nothing when a character stands for no byte.
std::optional<std::string> from_byte_level(std::string_view text);

}  // namespace gesso::bpe
