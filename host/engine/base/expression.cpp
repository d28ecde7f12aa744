#include "engine/base/expression.hpp"

#include <fmt/format.h>

#include "engine/base/excerpt.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::base {

std::regex expression(const std::string& text) {
  const auto fail = [&](std::string_view why) {
    return Error(Status::InvalidArgument,
                 fmt::format("\"{}\" is no regular expression: {}", excerpt(text, 100), why));
  };
  if (text.size() > kMaxExpressionBytes)
    throw fail(fmt::format("{} bytes, the limit is {}", text.size(), kMaxExpressionBytes));
  try {
    return std::regex(text);
  } catch (const std::regex_error& error) {
    throw fail(error.what());
  }
}

}  // namespace gesso::base
