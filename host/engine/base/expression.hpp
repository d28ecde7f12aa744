// Regular expressions from outside, whoever wrote them.
#pragma once

#include <regex>
#include <string>

namespace gesso::base {

/// Longer expressions are refused, and longer texts should not be matched: the standard library
/// recurses once per character.
inline constexpr size_t kMaxExpressionBytes = 512;

/// @throws Error  InvalidArgument telling what is wrong with `text`
std::regex expression(const std::string& text);

}  // namespace gesso::base
