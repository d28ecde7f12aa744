// A few thousand elements at a time to and from float32, so that they stay in the cache between two
// steps.
#pragma once

#include "engine/weights/dtype.hpp"

#include <cstddef>
#include <cstdint>

namespace gesso::weights {

/// Elements decoded at a time; a multiple of every block.
inline constexpr int64_t kChunk = 4096;

/// `count` elements of any type but C64; whole blocks.
void decode_chunk(DType dtype, const std::byte* in, int64_t count, float* out);

/// To F32, F16, BF16, F8_E4M3 or F8_E5M2, rounded to nearest even.
void encode_chunk(DType dtype, const float* in, int64_t count, std::byte* out);

}  // namespace gesso::weights
