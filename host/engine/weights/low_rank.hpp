// An update of low rank, as LoRA files hold it.
#pragma once

#include <string>

#include "engine/weights/tensor_view.hpp"

namespace gesso::weights {

/// weight += scale * up @ down
struct LowRankUpdate {
  std::string module;  ///< canonical: "layers.0.attention.to_q"
  TensorView down;     ///< A [rank, in]
  TensorView up;       ///< B [out, rank]
  double scale = 1;    ///< alpha / rank
};

/// up @ down is near to a matrix.
struct Factors {
  TensorView down, up;
  double error = 0, size = 0;  ///< sums of squares: of what is missing, and of the whole matrix
};

}  // namespace gesso::weights
