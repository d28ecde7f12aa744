// The hash by which DiffSynth-Studio's model registry knows a checkpoint.
#pragma once

#include "engine/weights/weight_set.hpp"

#include <span>
#include <string>

namespace gesso::weights {

/// MD5, in hex, over the sorted, comma-joined strings `name:d0_d1` and `name` of all tensors. Types
/// and values do not count.
std::string structure_hash(std::span<const NamedShape> tensors);
std::string structure_hash(const WeightSet& set);

}  // namespace gesso::weights
