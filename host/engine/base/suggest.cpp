#include "engine/base/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gesso::base {
namespace {

constexpr size_t kShortestPart = 3;  // "i" is the beginning of too many names

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](char c) { return lower(c); });
  return result;
}

bool is_part(std::string_view part, std::string_view whole) {
  if (part.size() < kShortestPart || part.size() >= whole.size()) return false;
  const std::string p = lower(part), w = lower(whole);
  return w.starts_with(p) || w.ends_with("." + p);
}

bool is_slip(std::string_view word, std::string_view candidate) {
  const size_t longer = std::max(word.size(), candidate.size());
  const size_t distance = edit_distance(word, candidate);
  const bool slip = distance <= std::max<size_t>(1, longer / 3) && distance < longer;
  return slip || is_part(word, candidate) || is_part(candidate, word);
}

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  // Rows of the table for two, one and no letters less of `a`.
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, last);
    std::swap(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  size_t best_distance = 0;
  for (std::string_view candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (!is_slip(word, candidate) || (!best.empty() && distance >= best_distance)) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string_view best = nearest(word, candidates);
  return best.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", best);
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  return did_you_mean(word, std::span<const std::string_view>(views));
}

}  // namespace gesso::base
