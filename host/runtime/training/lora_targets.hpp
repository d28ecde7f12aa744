// Which linear layers get a LoRA, and what it starts from.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "engine/config/train_plan.hpp"
#include "runtime/component_weights.hpp"

namespace gesso::runtime {

/// Places in `targets`, rising. @throws Error  NotFound naming some that there are, when none fits
std::vector<size_t> choose_targets(const config::LoraTargets& rule,
                                   const std::vector<DeltaTarget>& targets);

/// A [rank, in], as PEFT draws it: uniform in +-1/sqrt(in) (kaiming with a = sqrt 5).
at::Tensor initial_a(uint64_t seed, int64_t rank, int64_t in_features);

}  // namespace gesso::runtime
