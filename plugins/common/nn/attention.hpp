// Softmax attention of one sequence.
#pragma once

#include <ATen/core/Tensor.h>

namespace gesso::nn {

/// softmax(q k^T / sqrt(D)) v with no padding anywhere.
///
/// @param q_LHD      queries
/// @param k_LGD, v_LGD  keys and values; G divides H: each is used by H/G query heads
/// @param causal     token i sees tokens 0 .. i only
/// @return           [L, H * D]; no copy is made of inputs or result
at::Tensor attention(const at::Tensor& q_LHD, const at::Tensor& k_LGD, const at::Tensor& v_LGD,
                     bool causal = false);

}  // namespace gesso::nn
