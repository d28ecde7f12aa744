#include "engine/weights/matching.hpp"

#include "engine/weights/pattern_syntax.hpp"

#include <algorithm>
#include <set>

namespace gesso::weights {
namespace {

struct Assignment {
  const NamedShape* tensor;
  const TensorPattern* pattern;
  std::vector<int64_t> indices;
};

class Solver {
 public:
  Solver(std::span<const NamedShape* const> tensors, const ComponentPattern& pattern)
      : tensors_(tensors), pattern_(pattern) {
    match_.component = pattern.id;
  }

  Match run() {
    assign_names();
    find_counts();
    if (!plausible()) {
      match_.unexpected.clear();
      return std::move(match_);
    }
    find_sizes();
    check_shapes();
    find_missing();
    const auto all = static_cast<double>(match_.expected + match_.unexpected.size());
    match_.score = all > 0 ? static_cast<double>(match_.present) / all : 0;
    return std::move(match_);
  }

 private:
  void assign_names() {
    for (const NamedShape* tensor : tensors_) {
      if (!seen_.insert(tensor->name).second || !assign(*tensor)) {
        match_.unexpected.push_back(tensor->name);
      }
    }
  }

  bool assign(const NamedShape& tensor) {
    for (const TensorPattern& pattern : pattern_.tensors) {
      const auto indices = match_name(pattern, tensor.name);
      if (!indices) continue;
      assigned_.push_back({&tensor, &pattern, *indices});
      return true;
    }
    return false;
  }

  void find_counts() {
    auto& counts = match_.dimensions.counts;
    for (const TensorPattern& pattern : pattern_.tensors) {
      for (const IndexTerm& term : pattern.indices) counts.emplace(term.count, 1);
    }
    for (const Assignment& found : assigned_) {
      for (size_t i = 0; i < found.indices.size(); ++i) {
        const IndexTerm& term = found.pattern->indices[i];
        int64_t& count = counts[term.count];
        count = std::max(count, found.indices[i] + 1 - term.offset);
      }
    }
  }

  /// False when nothing fits, or when a stray index claims far more tensors than there are.
  bool plausible() const {
    double expected = 0;
    for (const TensorPattern& pattern : pattern_.tensors) {
      expected += index_combinations(pattern, match_.dimensions.counts);
    }
    return !assigned_.empty() && expected < 10.0 * static_cast<double>(tensors_.size()) + 10'000;
  }

  void find_sizes() {
    std::map<std::string, std::map<int64_t, int>> votes;
    for (const Assignment& found : assigned_) {
      const auto& terms = found.pattern->shape;
      if (found.tensor->shape.size() != terms.size()) continue;
      for (size_t i = 0; i < terms.size(); ++i) {
        const int64_t extent = found.tensor->shape[i];
        if (terms[i].symbol.empty() || extent % terms[i].factor != 0) continue;
        ++votes[size_key(terms[i], found.indices)][extent / terms[i].factor];
      }
    }
    for (const auto& [key, values] : votes) {
      const auto most =
          std::max_element(values.begin(), values.end(),
                           [](const auto& a, const auto& b) { return a.second < b.second; });
      match_.dimensions.sizes[key] = most->first;
    }
  }

  void check_shapes() {
    const auto& sizes = match_.dimensions.sizes;
    for (const Assignment& found : assigned_) {
      if (!exists(*found.pattern, found.indices, sizes)) {
        match_.unexpected.push_back(found.tensor->name);
        continue;
      }
      const Shape& shape = found.tensor->shape;
      Shape expected;
      for (const SizeTerm& term : found.pattern->shape) {
        expected.push_back(extent_of(term, found.indices, sizes).value_or(-1));
      }
      const bool fits =
          std::equal(shape.begin(), shape.end(), expected.begin(), expected.end(),
                     [](int64_t has, int64_t wants) { return wants == -1 || has == wants; });
      if (!fits)
        match_.wrong_shapes.push_back({found.tensor->name, shape, expected});
      else if (!found.pattern->optional)
        ++match_.present;
    }
  }

  void find_missing() {
    for (const TensorPattern& pattern : pattern_.tensors) {
      if (pattern.optional) continue;
      for_each_index(pattern, match_.dimensions.counts, [&](std::span<const int64_t> indices) {
        if (!exists(pattern, indices, match_.dimensions.sizes)) return;
        ++match_.expected;
        std::string name = fill_name(pattern, indices);
        if (!seen_.count(name)) match_.missing.push_back(std::move(name));
      });
    }
  }

  std::span<const NamedShape* const> tensors_;
  const ComponentPattern& pattern_;
  Match match_;
  std::set<std::string_view> seen_;
  std::vector<Assignment> assigned_;
};

}  // namespace

Match solve(std::span<const NamedShape* const> tensors, const ComponentPattern& pattern) {
  return Solver(tensors, pattern).run();
}

}  // namespace gesso::weights
