// The few questions about Unicode that a tokenizer asks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gesso::bpe {

std::string utf8_of(char32_t code_point);

/// Bytes of white space at the beginning and at the end of valid UTF-8.
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);

/// Whether valid UTF-8 begins or ends with a letter, mark, digit or connector (the \w of regexes).
bool starts_with_word(std::string_view text);
bool ends_with_word(std::string_view text);

}  // namespace gesso::bpe
