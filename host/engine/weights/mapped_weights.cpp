#include "engine/weights/mapped_weights.hpp"

#include "engine/weights/spelling.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gesso::weights {

MappedWeights MappedWeights::open(const WeightSet& set, const ComponentPattern& pattern) {
  const Match found = gesso::weights::match(set, pattern);
  if (!found.exact()) {
    const bool nothing = found.score == 0;
    throw Error(Status::Incompatible,
                fmt::format("{}\nexpected weights of {}",
                            explain(set, std::span(&found, nothing ? 0 : 1)), pattern.id));
  }
  return apply(set, pattern, found);
}

MappedWeights MappedWeights::apply(const WeightSet& set, const ComponentPattern& pattern,
                                   const Match& match) {
  const auto layout =
      std::find_if(pattern.layouts.begin(), pattern.layouts.end(),
                   [&](const Layout& candidate) { return candidate.name == match.layout; });
  if (layout == pattern.layouts.end()) {
    throw Error(Status::InvalidArgument,
                fmt::format("{} has no layout \"{}\"", pattern.id, match.layout));
  }
  MappedWeights weights;
  weights.source_ = set.describe();
  weights.match_ = match;
  for (const SpelledTensor& tensor : spell(set, *layout, match.prefix)) {
    weights.tensors_.emplace(tensor.name, stored_of(set, tensor));
  }
  return weights;
}

MappedWeights MappedWeights::as_stored(const WeightSet& set) {
  MappedWeights weights;
  weights.source_ = set.describe();
  weights.match_.layout = "native";
  for (const NamedWeight& tensor : set.weights()) {
    weights.tensors_.emplace(tensor.name, stored_of(set, {{tensor.name, tensor.shape}, &tensor}));
  }
  return weights;
}

MappedWeights MappedWeights::of(std::string source,
                                std::map<std::string, StoredWeight, std::less<>> tensors) {
  MappedWeights weights;
  weights.source_ = std::move(source);
  weights.match_.layout = "native";
  weights.tensors_ = std::move(tensors);
  return weights;
}

std::optional<StoredWeight> MappedWeights::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> MappedWeights::names() const {
  std::vector<std::string> names;
  for (const auto& [name, weight] : tensors_) names.push_back(name);
  return names;
}

uint64_t MappedWeights::size_bytes() const {
  uint64_t size = 0;
  for (const auto& [name, weight] : tensors_) size += weight.size_bytes();
  return size;
}

std::string MappedWeights::narrow_format() const {
  for (const auto& [name, weight] : tensors_) {
    const auto bf16_bytes = static_cast<uint64_t>(2 * weight.elements());
    if (weight.shape.size() == 2 && weight.size_bytes() < bf16_bytes) return weight.format();
  }
  return {};
}

std::string MappedWeights::describe() const {
  return fmt::format("{}: layout {}, {} tensors, {:.1f} MiB", source_, match_.layout,
                     tensors_.size(), static_cast<double>(size_bytes()) / (1 << 20));
}

}  // namespace gesso::weights
