#include "engine/weights/spelling.hpp"

#include "engine/base/expression.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace gesso::weights {
namespace {

constexpr size_t kMaxName = base::kMaxExpressionBytes;  // longer ones no model has

bool matches_any(const std::string& name, const std::vector<std::regex>& expressions) {
  return std::any_of(expressions.begin(), expressions.end(), [&](const std::regex& expression) {
    return std::regex_search(name, expression);
  });
}

std::optional<int64_t> index_in(const std::smatch& match) {
  int64_t value = 0;
  const std::string digits = match[1];
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// The parts of a fused tensor; the tensor itself when no rule names it or it cannot be parted.
std::vector<SpelledTensor> split(const SpelledTensor& tensor, const std::vector<SplitRule>& rules) {
  std::smatch match;
  for (const SplitRule& rule : rules) {
    if (!std::regex_search(tensor.name, match, rule.match)) continue;
    const auto parts = static_cast<int64_t>(rule.into.size());
    const bool rows = tensor.shape.size() > 1 || !is_quantised(tensor.source->weight.data().dtype);
    if (tensor.shape.empty() || !rows || tensor.shape[0] % parts != 0) break;
    std::vector<SpelledTensor> result;
    for (int64_t part = 0; part < parts; ++part) {
      SpelledTensor piece = tensor;
      piece.name = match.format(rule.into[static_cast<size_t>(part)]);
      piece.shape[0] /= parts;
      piece.part = part;
      piece.parts = parts;
      result.push_back(std::move(piece));
    }
    return result;
  }
  return {tensor};
}

void flatten(SpelledTensor& tensor, const std::vector<std::regex>& expressions) {
  if (!matches_any(tensor.name, expressions)) return;
  while (tensor.shape.size() > 2 && tensor.shape.back() == 1) tensor.shape.pop_back();
}

}  // namespace

void reverse_index(std::span<NamedShape* const> tensors, const std::regex& expression) {
  int64_t last = 0;
  std::smatch match;
  for (const NamedShape* tensor : tensors) {
    if (tensor->name.size() > kMaxName) continue;
    if (!std::regex_search(tensor->name, match, expression)) continue;
    last = std::max(last, index_in(match).value_or(0));
  }
  for (NamedShape* tensor : tensors) {
    const std::string name = tensor->name;
    if (name.size() > kMaxName || !std::regex_search(name, match, expression)) continue;
    if (const auto index = index_in(match)) {
      tensor->name.replace(static_cast<size_t>(match.position(1)),
                           static_cast<size_t>(match.length(1)), std::to_string(last - *index));
    }
  }
}

bool detected(const WeightSet& set, const Layout& layout, const std::string& prefix) {
  return std::all_of(layout.detect.begin(), layout.detect.end(),
                     [&](const std::string& name) { return set.find(prefix + name) != nullptr; });
}

std::vector<SpelledTensor> spell(const WeightSet& set, const Layout& layout,
                                 const std::string& prefix) {
  return spell(set.weights(), layout, prefix);
}

std::vector<SpelledTensor> spell(std::span<const NamedWeight> weights, const Layout& layout,
                                 const std::string& prefix) {
  std::vector<SpelledTensor> tensors;
  for (const NamedWeight& info : weights) {
    if (!info.name.starts_with(prefix)) continue;
    SpelledTensor tensor{{info.name.substr(prefix.size()), info.shape}, &info, 0, 1};
    if (tensor.name.size() <= kMaxName) {
      if (matches_any(tensor.name, layout.drop)) continue;
      for (const RenameRule& rule : layout.rename) {
        tensor.name = std::regex_replace(tensor.name, rule.match, rule.into);
      }
    }
    tensors.push_back(std::move(tensor));
  }
  std::vector<NamedShape*> names;
  for (SpelledTensor& tensor : tensors) names.push_back(&tensor);
  for (const std::regex& expression : layout.reverse) reverse_index(names, expression);
  if (layout.split.empty() && layout.flatten.empty()) return tensors;

  std::vector<SpelledTensor> parts;
  for (const SpelledTensor& tensor : tensors) {
    if (tensor.name.size() > kMaxName) {
      parts.push_back(tensor);
      continue;
    }
    for (SpelledTensor& part : split(tensor, layout.split)) {
      flatten(part, layout.flatten);
      parts.push_back(std::move(part));
    }
  }
  return parts;
}

StoredWeight stored_of(const WeightSet& set, const SpelledTensor& tensor) {
  if (!tensor.source->problem.empty()) {
    throw Error(Status::BadData, fmt::format("{}: {}", set.describe(), tensor.source->problem));
  }
  StoredWeight weight = tensor.source->weight;
  if (tensor.parts > 1) weight = slice_rows(weight, tensor.part, tensor.parts);
  weight.shape = tensor.shape;
  if (weight.encoding == Encoding::Plain) weight.parts[0].shape = tensor.shape;
  return weight;
}

}  // namespace gesso::weights
