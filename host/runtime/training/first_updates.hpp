// lora_checkpoint: the updates that a LoRA, a DoRA or a LoKr begins with.
#pragma once

#include <map>
#include <vector>

#include "engine/config/train_plan.hpp"
#include "runtime/run.hpp"
#include "runtime/training/delta_trainer.hpp"

namespace gesso::runtime {

struct FirstUpdate {
  at::Tensor a, b;  // of a plain LoRA, float32: alpha / rank is in A
  DeltaTrainer::Named
      parts;  // of other forms: all tensors of the module by their names in the file
};

/// By target. Layers that the file does not have begin anew.
/// @param chosen   the targets that are trained
/// @param trainer  of lora.kind; null for plain LoRAs
/// @throws Error  NotFound, BadData: the file; Incompatible when it is of another kind or model, or
///                has updates of layers that are not trained; NotSupported for fused projections
std::map<size_t, FirstUpdate> read_first_updates(const Run& run, const config::LoraPlan& lora,
                                                 const std::vector<size_t>& chosen,
                                                 const DeltaTrainer* trainer);

}  // namespace gesso::runtime
