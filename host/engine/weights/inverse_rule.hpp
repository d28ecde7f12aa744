// Rules that rename, turned around: what reads a layout writes it, too.
#pragma once

#include <optional>
#include <regex>
#include <string>

#include "engine/weights/component_pattern.hpp"

namespace gesso::weights {

/// The rule that undoes `rule`: groups of the expression and "$1" of the replacement change places.
/// Nothing when the expression is more than literals, anchors and groups that are each used once.
///   "^blk\\.(\\d+)\\." -> "layers.$1."   becomes   "^layers\\.(\\d+)\\." -> "blk.$1."
std::optional<RenameRule> inverse(const std::string& expression, const std::string& replacement);

}  // namespace gesso::weights
