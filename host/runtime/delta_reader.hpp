// Reads the updates of an adapter's file through its delta source.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/parts.hpp"

namespace gesso::runtime {

/// One update and the target that it is for.
struct ReadDelta {
  size_t target;
  WeightDelta delta;  // with alpha / rank as its scale
};

struct ReadAdapter {
  std::vector<ReadDelta> deltas;
  std::vector<std::string> unmatched;  // keys that no target wanted
  size_t keys = 0;                     // of the file
  std::shared_ptr<void> source;        // what deltas of other forms than low rank are made by
};

/// Low-rank tensors are copied in the compute type of `weights`.
/// @throws Error  the source's own; Incompatible for shapes that do not fit
ReadAdapter read_adapter(const Parts& parts, const config::AdapterPlan& plan,
                         const gesso_weights& weights, const CallScope& call);

}  // namespace gesso::runtime
