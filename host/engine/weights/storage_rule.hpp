// Which weights of a component are kept in another format than their file's.
#pragma once

#include "engine/weights/stored_weight.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gesso::weights {

/// As users write it; `format` "" leaves everything as it is.
struct StorageRule {
  std::string format;
  std::vector<std::string> target_modules;   ///< empty: all
  std::vector<std::string> exclude_modules;  ///< of the targets
};

/// Whether an entry of these lists means a module: it is its name, or the end of it after a dot.
/// (DiffSynth-Studio, QuantizeConfig)
bool means_module(std::string_view entry, std::string_view module);

/// "layers.0.attention.to_q" of "layers.0.attention.to_q.weight" and of "...to_q.bias".
std::string_view module_of(std::string_view weight);

/// A rule at work.
class Storing {
 public:
  Storing() = default;
  /// @throws Error  as `storage_format`
  explicit Storing(StorageRule rule);

  bool active() const { return format_.has_value(); }
  /// Whether weights that are stored as int8_row are to be used in products of int8 numbers.
  bool computes_in_int8() const { return weights::computes_in_int8(rule_.format); }
  /// Whether the rule changes a weight. A type that needs no statistics (fp8_e4m3, bf16) is for all
  /// weights, as the reference's memory states are; the others are for matrices of linear layers.
  /// Weights that are quantised already stay as they are.
  bool covers(std::string_view name, const StoredWeight& weight, bool is_linear);
  /// The weight in the rule's format. @throws Error  InvalidArgument naming the weight
  StoredWeight store(const std::string& name, const StoredWeight& weight, unsigned threads = 0);

  /// Entries of the lists that meant no module so far.
  std::vector<std::string> unused() const;
  /// Names of weights that would be covered but are quantised already.
  const std::vector<std::string>& kept() const { return kept_; }

 private:
  bool listed(const std::vector<std::string>& entries, std::string_view module);

  StorageRule rule_;
  std::optional<StorageFormat> format_;
  std::set<std::string> used_;
  std::vector<std::string> kept_;
};

}  // namespace gesso::weights
