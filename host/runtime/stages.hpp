// What a request will need, stage by stage, before anything is done: by the modules' own estimates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/parts.hpp"
#include "runtime/runtime.hpp"

namespace gesso::runtime {

struct StageNeed {
  std::string name;   // "compose", "encode", "image2lora", "denoise", "decode"
  std::string phase;  // the role that begins
  std::vector<std::string>
      roles;                 // whose weights are used; activations lie where the first computes
  uint64_t activations = 0;  // bytes at the highest point
  uint64_t flops = 0;        // of all repeats
  uint64_t repeats = 1;      // passes over the weights
};

/// Sizes of the codec's latents.
struct LatentGeometry {
  int64_t channels, pixels_per_cell;
};

/// In the order of the run. Prompts count by an upper bound: they are not tokenised yet. Modules
/// without an estimate count as nothing, and are told to the log.
std::vector<StageNeed> stages_of(const Parts& parts, const config::PipelinePlan& plan,
                                 const GenerateRequest& request, const LatentGeometry& geometry);

}  // namespace gesso::runtime
