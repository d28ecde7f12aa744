// The weights of one component under their canonical names, whatever the layout of the files.
#pragma once

#include "engine/weights/recognise.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gesso::weights {

/// Holds views into the mapped files; fused tensors appear as slices, nothing is copied.
class MappedWeights {
 public:
  /// Finds the layout that fits and applies it.
  /// @throws Error  Incompatible with the text of `explain` when the match is not exact
  static MappedWeights open(const WeightSet& set, const ComponentPattern& pattern);

  /// Applies the layout of a match, exact or not; what is wrong with it is the caller's business.
  static MappedWeights apply(const WeightSet& set, const ComponentPattern& pattern,
                             const Match& match);

  /// The names as they are in the files, for a component whose manifest has no pattern.
  static MappedWeights as_stored(const WeightSet& set);

  /// Weights from anywhere, under canonical names. @param source  where they are from, for messages
  static MappedWeights of(std::string source,
                          std::map<std::string, StoredWeight, std::less<>> tensors);

  std::optional<StoredWeight> find(std::string_view name) const;
  std::vector<std::string> names() const;  ///< sorted
  size_t count() const { return tensors_.size(); }
  uint64_t size_bytes() const;
  /// The first storage format of a matrix with fewer bits than bf16, or "".
  std::string narrow_format() const;
  const Dimensions& dimensions() const { return match_.dimensions; }
  const Match& match() const { return match_; }
  std::string describe()
      const;  ///< "transformer/ (3 files): layout comfy, 453 tensors, 11739.6 MiB"

 private:
  std::string source_;
  Match match_;
  std::map<std::string, StoredWeight, std::less<>> tensors_;
};

}  // namespace gesso::weights
