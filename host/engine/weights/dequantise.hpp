// The block formats of ggml, decoded to float32.
#pragma once

#include "engine/weights/dtype.hpp"

#include <cstddef>
#include <cstdint>

namespace gesso::weights {

/// Decodes `n_blocks` blocks of a format with `is_quantised(dtype)`; the order of operations is
/// ggml's, so results are equal bit for bit.
void dequantise(DType dtype, const std::byte* blocks, int64_t n_blocks, float* out);

}  // namespace gesso::weights
