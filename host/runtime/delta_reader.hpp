// Reads the updates of an adapter's file through its delta source.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/parts.hpp"

namespace gesso::runtime {

/// One update and the target that it is for.
struct ReadDelta {
  size_t target;
  WeightDelta delta;  // with alpha / rank as its scale
  std::string key{};  // of the file, that it was made of
};

struct ReadAdapter {
  std::vector<ReadDelta> deltas;
  std::vector<std::string> unmatched;  // keys that no target wanted
  size_t keys = 0;                     // of the file
  std::shared_ptr<void> source;        // what deltas of other forms than low rank are made by
};

/// @param targets  extents of 0 are not known: whatever the file has fits
/// @param type     that low-rank tensors are copied in; nothing: they stay views of the file, which
///                 `source` keeps
/// @throws Error  the source's own; Incompatible for shapes that do not fit
ReadAdapter read_adapter(const Parts& parts, const config::AdapterPlan& plan,
                         std::vector<DeltaTarget> targets, std::optional<at::ScalarType> type,
                         const CallScope& call);

}  // namespace gesso::runtime
