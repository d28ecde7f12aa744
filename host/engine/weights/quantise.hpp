// float32 to the block formats of ggml.
#pragma once

#include "engine/weights/dtype.hpp"

#include <cstddef>
#include <cstdint>

namespace gesso::weights {

/// Encodes `n_blocks` blocks of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K or Q6_K. For the blocks of 32
/// the bytes are ggml's; for Q4_K and Q6_K the search for scales is the same as ggml's without an
/// importance matrix.
void quantise(DType dtype, const float* values, int64_t n_blocks, std::byte* blocks);

/// True for the formats above.
bool can_quantise(DType dtype);

}  // namespace gesso::weights
