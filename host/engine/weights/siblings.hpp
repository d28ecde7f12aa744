// Files keep a quantised weight as several tensors with related names; here they become one.
#pragma once

#include "engine/weights/stored_weight.hpp"
#include "engine/weights/weight_file.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace gesso::weights {

/// A weight of a checkpoint. `shape` is the weight's own, not that of its packed data.
struct NamedWeight : NamedShape {
  StoredWeight weight;
  std::string problem;  ///< why it cannot be decoded; "" when it can
};

/// One weight for each tensor, in the order of `tensors`, but for those that complete another:
///   bitsandbytes  X, X.quant_map, X.absmax, X.quant_state.bitsandbytes__nf4 or __fp4, and with
///                 quantised magnitudes X.nested_absmax, X.nested_quant_map
///   ComfyUI       L.weight, L.weight_scale (older: L.scale_weight), L.comfy_quant; L.input_scale
///                 (L.scale_input) and "scaled_fp8" are for products in 8 bits and are left out
/// @param tensors  sorted by name
/// @param view_of  data of a tensor
std::vector<NamedWeight> join_siblings(std::span<const TensorInfo> tensors,
                                       const std::function<TensorView(const TensorInfo&)>& view_of);

}  // namespace gesso::weights
