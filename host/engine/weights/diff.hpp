// How two checkpoints differ.
#pragma once

#include <span>

#include <nlohmann/json.hpp>

#include "engine/weights/component_pattern.hpp"
#include "engine/weights/stored_weight.hpp"
#include "engine/weights/weight_set.hpp"

namespace gesso::weights {

/// Whether two weights have the same format and bits.
bool same_bits(const StoredWeight& a, const StoredWeight& b);

/// When both are the same component, weights are compared under its own names, whatever the
/// layouts; else under the names of the files. Values are compared in float32, one weight at a
/// time.
/// {
///   "component": "..." | "", "layouts": ["native", "comfy"], "equal": true,
///   "only_a": [names], "only_b": [names],
///   "identical": weights with the same format and bits,
///   "different": [{"name", "format": [a, b], "shape": [a, b], "max_abs": number | null}]
/// }
/// `max_abs` is null where shapes differ, a weight is no number or a difference is not finite; 0
/// where the same values are stored in another format. "equal" means identical throughout.
/// @throws Error  BadData naming file and tensor when a weight cannot be decoded
nlohmann::json diff_json(const WeightSet& a, const WeightSet& b,
                         std::span<const ComponentPattern> patterns);

}  // namespace gesso::weights
