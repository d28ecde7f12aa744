// "did you mean ...?" for names that do not exist.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gesso::base {

/// The fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`;
/// ASCII letters of different case count as equal.
size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, or "" when none is near enough to be a slip: within a third of
/// the longer name, or one the beginning or the last dotted part of the other.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// `; did you mean "guidance_scale"?`, to be put behind a message; "" when nothing is near.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace gesso::base
