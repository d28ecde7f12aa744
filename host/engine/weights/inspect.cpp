#include "engine/weights/inspect.hpp"

#include "engine/weights/structure_hash.hpp"

#include <map>
#include <string>
#include <utility>

namespace gesso::weights {
namespace {

using nlohmann::json;

json file_json(const WeightFile& file) {
  return {{"path", file.mapping->path().string()},
          {"format", file.format},
          {"size_bytes", file.mapping->bytes().size()}};
}

json tensor_json(const WeightSet& set, const TensorInfo& tensor) {
  return {{"name", tensor.name},
          {"dtype", name_of(tensor.dtype)},
          {"shape", tensor.shape},
          {"size_bytes", tensor.size_bytes},
          {"file", set.path_of(tensor).filename().string()}};
}

json dtypes_json(const WeightSet& set) {
  struct Sum {
    uint64_t tensors = 0, size_bytes = 0;
  };
  std::map<std::string, Sum> sums;
  for (const TensorInfo& tensor : set.tensors()) {
    Sum& sum = sums[std::string(name_of(tensor.dtype))];
    ++sum.tensors;
    sum.size_bytes += tensor.size_bytes;
  }
  json dtypes = json::object();
  for (const auto& [name, sum] : sums) {
    dtypes[name] = {{"tensors", sum.tensors}, {"size_bytes", sum.size_bytes}};
  }
  return dtypes;
}

/// Weights by storage format; several tensors may make one.
json formats_json(const WeightSet& set) {
  std::map<std::string, std::pair<uint64_t, uint64_t>> sums;  // weights, bytes
  for (const NamedWeight& weight : set.weights()) {
    auto& [weights, bytes] = sums[weight.weight.format()];
    ++weights;
    bytes += weight.weight.size_bytes();
  }
  json formats = json::object();
  for (const auto& [name, sum] : sums) {
    formats[name] = {{"weights", sum.first}, {"size_bytes", sum.second}};
  }
  return formats;
}

/// Numbers of the weights; those that only say how others are stored do not count.
int64_t parameters_of(const WeightSet& set) {
  int64_t sum = 0;
  for (const NamedWeight& weight : set.weights()) sum += element_count(weight.shape).value_or(0);
  return sum;
}

json problems_json(const WeightSet& set) {
  json problems = json::array();
  for (const NamedWeight& weight : set.weights()) {
    if (!weight.problem.empty()) problems.push_back(weight.problem);
  }
  return problems;
}

json match_json(const Match& match) {
  json wrong = json::array();
  for (const WrongShape& shape : match.wrong_shapes) {
    wrong.push_back({{"name", shape.name}, {"found", shape.found}, {"expected", shape.expected}});
  }
  return {{"component", match.component},
          {"layout", match.layout},
          {"prefix", match.prefix},
          {"exact", match.exact()},
          {"score", match.score},
          {"expected", match.expected},
          {"present", match.present},
          {"sizes", match.dimensions.sizes},
          {"counts", match.dimensions.counts},
          {"missing", match.missing},
          {"unexpected", match.unexpected},
          {"wrong_shapes", wrong}};
}

}  // namespace

json inspect_json(const WeightSet& set, std::span<const ComponentPattern> patterns) {
  const auto matches = recognise(set, patterns);
  json files = json::array(), tensors = json::array(), found = json::array();
  for (const WeightFile& file : set.files()) files.push_back(file_json(file));
  for (const TensorInfo& tensor : set.tensors()) tensors.push_back(tensor_json(set, tensor));
  for (const Match& match : matches) found.push_back(match_json(match));
  return {{"files", files},
          {"tensors", tensors},
          {"total",
           {{"tensors", set.tensors().size()},
            {"parameters", parameters_of(set)},
            {"elements", set.elements()},
            {"size_bytes", set.size_bytes()}}},
          {"dtypes", dtypes_json(set)},
          {"formats", formats_json(set)},
          {"problems", problems_json(set)},
          {"metadata", set.metadata()},
          {"structure_hash", structure_hash(set)},
          {"family", foreign_family(set)},
          {"summary", explain(set, matches)},
          {"matches", found}};
}

}  // namespace gesso::weights
