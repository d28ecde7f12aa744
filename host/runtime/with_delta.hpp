// A weight with an update added.
#pragma once

#include "runtime/component_weights.hpp"

namespace gesso::runtime {

/// @param base  [out, in], float32
at::Tensor with_delta(const at::Tensor& base, const WeightDelta& delta);

}  // namespace gesso::runtime
