#include "engine/weights/recognise.hpp"

#include "engine/base/excerpt.hpp"
#include "engine/weights/matching.hpp"
#include "engine/weights/spelling.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace gesso::weights {
namespace {

/// "a, b, c and 7 more".
std::string first_of(const std::vector<std::string>& names) {
  constexpr size_t kShown = 3;
  std::vector<std::string> shown;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    shown.push_back(base::excerpt(names[i], 100));
  }
  const std::string more =
      names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "";
  return fmt::format("{}{}", fmt::join(shown, ", "), more);
}

/// "[3840, any]".
std::string expected_text(const Shape& shape) {
  std::vector<std::string> extents;
  for (const int64_t extent : shape) extents.push_back(extent < 0 ? "any" : fmt::to_string(extent));
  return fmt::format("[{}]", fmt::join(extents, ", "));
}

/// The ways in which a near match is not an exact one.
std::string differences(const Match& match) {
  std::string text;
  if (!match.missing.empty()) text += fmt::format("; missing: {}", first_of(match.missing));
  if (!match.unexpected.empty()) {
    text += fmt::format("; unexpected: {}", first_of(match.unexpected));
  }
  for (const WrongShape& wrong : match.wrong_shapes) {
    text += fmt::format("; tensor \"{}\" is {}, expected {}", wrong.name, shape_text(wrong.found),
                        expected_text(wrong.expected));
    if (&wrong == &match.wrong_shapes[2]) break;
  }
  return text;
}

}  // namespace

Match match(const WeightSet& set, const ComponentPattern& pattern) {
  Match best;
  best.component = pattern.id;
  for (const Layout& layout : pattern.layouts) {
    for (const std::string& prefix : layout.prefixes) {
      if (!detected(set, layout, prefix)) continue;
      const auto spelled = spell(set, layout, prefix);
      std::vector<const NamedShape*> tensors;
      for (const SpelledTensor& tensor : spelled) tensors.push_back(&tensor);
      Match found = solve(tensors, pattern);
      if (found.score <= best.score) continue;
      best = std::move(found);
      best.layout = layout.name;
      best.prefix = prefix;
      if (best.exact()) return best;
    }
  }
  return best;
}

std::vector<Match> recognise(const WeightSet& set, std::span<const ComponentPattern> patterns) {
  std::vector<Match> matches;
  for (const ComponentPattern& pattern : patterns) {
    Match found = match(set, pattern);
    if (found.score > 0) matches.push_back(std::move(found));
  }
  std::stable_sort(matches.begin(), matches.end(),
                   [](const Match& a, const Match& b) { return a.score > b.score; });
  return matches;
}

std::string explain(const WeightSet& set, std::span<const Match> matches) {
  if (!matches.empty() && matches[0].exact()) {
    std::string text;
    size_t count = 0;
    for (const Match& match : matches) {
      if (!match.exact()) break;
      ++count;
      text += fmt::format("{}{}: is {} (layout {}, {} tensors)", text.empty() ? "" : "\n",
                          set.describe(), match.component, match.layout, match.expected);
    }
    if (count > 1) {
      text +=
          "\nthese share names and shapes, so that a file alone does not tell which one it is; "
          "choose the variant that it was published as";
    }
    return text;
  }
  const std::string family = foreign_family(set);
  std::string text = family.empty() ? fmt::format("{}: is no known component", set.describe())
                                    : fmt::format("{}: is {}, which no known component reads",
                                                  set.describe(), family);
  constexpr double kWorthTelling = 0.05;
  if (!matches.empty() && matches[0].score >= kWorthTelling) {
    const Match& near = matches[0];
    text += fmt::format(
        "\nclosest is {} (layout {}): {} of {} tensors are there{}; is this another "
        "model's file?",
        near.component, near.layout, near.present, near.expected, differences(near));
  } else if (family.empty() && !set.tensors().empty()) {
    text += fmt::format("; its {} tensors begin with \"{}\"", set.tensors().size(),
                        base::excerpt(set.tensors()[0].name, 100));
  }
  return text;
}

}  // namespace gesso::weights
