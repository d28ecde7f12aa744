#include "engine/weights/structure_hash.hpp"

#include "engine/weights/md5.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace gesso::weights {

std::string structure_hash(std::span<const NamedShape> tensors) {
  std::vector<std::string> parts;
  for (const NamedShape& tensor : tensors) {
    parts.push_back(fmt::format("{}:{}", tensor.name, fmt::join(tensor.shape, "_")));
    parts.push_back(tensor.name);
  }
  std::sort(parts.begin(), parts.end());
  return md5_hex(fmt::format("{}", fmt::join(parts, ",")));
}

std::string structure_hash(const WeightSet& set) {
  return structure_hash(std::vector<NamedShape>(set.tensors().begin(), set.tensors().end()));
}

}  // namespace gesso::weights
