#include "engine/weights/diff.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "engine/weights/convert.hpp"
#include "engine/weights/layout_writer.hpp"
#include "engine/weights/recognise.hpp"
#include "engine/weights/spelling.hpp"

namespace gesso::weights {
namespace {

using nlohmann::json;
using Weights = std::map<std::string, StoredWeight>;

Weights named_as_in_file(const WeightSet& set) {
  Weights weights;
  for (const NamedWeight& weight : set.weights()) {
    weights.emplace(weight.name, stored_of(set, {{weight.name, weight.shape}, &weight}));
  }
  return weights;
}

Weights canonical(const WeightSet& set, const ComponentPattern& pattern, const Match& match) {
  Weights weights;
  for (const SpelledTensor& tensor : spell(set, find_layout(pattern, match.layout), match.prefix)) {
    weights.emplace(tensor.name, stored_of(set, tensor));
  }
  return weights;
}

/// The largest difference of two values; null when it is not finite or there are no numbers.
json max_difference(const StoredWeight& a, const StoredWeight& b) {
  if (a.shape != b.shape || a.data().dtype == DType::C64 || b.data().dtype == DType::C64) return {};
  const TensorView x = float_values(decode(a, DType::F32));
  const TensorView y = float_values(decode(b, DType::F32));
  const auto* from = reinterpret_cast<const float*>(x.bytes.data());
  const auto* to = reinterpret_cast<const float*>(y.bytes.data());
  double largest = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    const double difference = std::abs(static_cast<double>(from[i]) - static_cast<double>(to[i]));
    if (!std::isfinite(difference)) return {};
    largest = std::max(largest, difference);
  }
  return largest;
}

}  // namespace

bool same_bits(const StoredWeight& a, const StoredWeight& b) {
  if (a.encoding != b.encoding || a.shape != b.shape || a.rotation != b.rotation ||
      a.nf4 != b.nf4 || a.first != b.first || a.block != b.block ||
      a.nested_block != b.nested_block || a.nested_offset != b.nested_offset) {
    return false;
  }
  return std::ranges::equal(a.parts, b.parts, [](const TensorView& x, const TensorView& y) {
    return x.dtype == y.dtype && std::ranges::equal(x.bytes, y.bytes);
  });
}

json diff_json(const WeightSet& a, const WeightSet& b, std::span<const ComponentPattern> patterns) {
  json answer{{"component", ""},         {"layouts", json::array()}, {"only_a", json::array()},
              {"only_b", json::array()}, {"identical", 0},           {"different", json::array()}};
  Weights left = named_as_in_file(a), right = named_as_in_file(b);
  for (const ComponentPattern& pattern : patterns) {
    const Match in_a = match(a, pattern), in_b = match(b, pattern);
    if (!in_a.exact() || !in_b.exact()) continue;
    left = canonical(a, pattern, in_a);
    right = canonical(b, pattern, in_b);
    answer["component"] = pattern.id;
    answer["layouts"] = {in_a.layout, in_b.layout};
    break;
  }
  size_t identical = 0;
  for (const auto& [name, weight] : left) {
    const auto other = right.find(name);
    if (other == right.end()) {
      answer["only_a"].push_back(name);
    } else if (same_bits(weight, other->second)) {
      ++identical;
    } else {
      answer["different"].push_back({{"name", name},
                                     {"format", {weight.format(), other->second.format()}},
                                     {"shape", {weight.shape, other->second.shape}},
                                     {"max_abs", max_difference(weight, other->second)}});
    }
  }
  for (const auto& [name, weight] : right) {
    if (!left.contains(name)) answer["only_b"].push_back(name);
  }
  answer["identical"] = identical;
  answer["equal"] =
      answer["only_a"].empty() && answer["only_b"].empty() && answer["different"].empty();
  return answer;
}

}  // namespace gesso::weights
