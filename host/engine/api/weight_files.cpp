#include "engine/api/weight_files.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "gesso/cpp/error.hpp"

namespace gesso::api {

Recognised recognise_component(const weights::WeightSet& set, const registry::Registry& registry,
                               const std::string& wanted) {
  std::vector<Recognised> found;
  std::vector<weights::Match> matches;
  for (const registry::ComponentInfo& component : registry.components()) {
    if (!component.pattern || (!wanted.empty() && component.id != wanted)) continue;
    matches.push_back(weights::match(set, *component.pattern));
    if (matches.back().exact()) found.push_back({&component, matches.back()});
  }
  if (matches.empty()) {
    registry.component(wanted);  // tells the nearest name
    throw Error(Status::InvalidArgument, fmt::format("{}: has no weights", wanted));
  }
  if (found.empty()) {
    std::ranges::stable_sort(matches, std::greater{}, &weights::Match::score);
    throw Error(Status::Incompatible, weights::explain(set, matches));
  }
  // Variants of one model share names; parts of a file for everything do not.
  std::vector<std::string> ids;
  for (const Recognised& one : found) ids.push_back(one.component->id);
  const weights::Match& first = found.front().match;
  const bool same = std::ranges::all_of(found, [&](const Recognised& one) {
    return one.match.prefix == first.prefix && one.match.expected == first.expected;
  });
  if (same) return found.front();
  throw Error(Status::InvalidArgument,
              fmt::format("{}: holds several components: {}; name one of them", set.describe(),
                          fmt::join(ids, ", ")));
}

void refuse_input_as_output(const weights::WeightSet& set, const std::filesystem::path& output,
                            const std::string& job) {
  for (const weights::WeightFile& file : set.files()) {
    std::error_code error;
    if (!std::filesystem::equivalent(file.mapping->path(), output, error)) continue;
    throw Error(Status::InvalidArgument,
                fmt::format("{}: {} is the file that is read; name another for the result", job,
                            output.string()));
  }
}

std::string left_as_they_are(const std::vector<std::string>& left, const std::string& format) {
  return fmt::format(
      "{} weights stay as they are, because their rows are no whole number of blocks of {}; the "
      "first is {}",
      left.size(), format, left.front());
}

uint64_t read_size(const std::string& text) {
  if (text.empty()) return 0;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(static_cast<const char*>(end), text.data() + text.size());
  std::ranges::transform(unit, unit.begin(), [](unsigned char c) { return std::toupper(c); });
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1},     {"B", 1},      {"KB", 1e3},      {"MB", 1e6},
      {"GB", 1e9}, {"KIB", 1024}, {"MIB", 1 << 20}, {"GIB", 1 << 30}};
  for (const auto& [name, factor] : kUnits) {
    const double size = number * factor;
    if (error == std::errc() && unit == name && size >= 1 && size < 1e18) {
      return static_cast<uint64_t>(size);
    }
  }
  throw Error(Status::InvalidArgument,
              fmt::format("expected a size such as 5GB or 500MiB, found \"{}\"", text));
}

}  // namespace gesso::api
