// Numbers in 8 bits, blocks of 256 with one float32 scale each: how bitsandbytes keeps the moments
// of its 8-bit optimizers ("dynamic" code: most codes near 0, the largest of a block exact).
#pragma once

#include <cstdint>

namespace gesso::runtime {

inline constexpr int64_t kBlock8 = 256;
inline constexpr uint8_t kZeroCode8 = 127;  // of the signed code

/// @return the scale of the block; @param count  at most kBlock8
float encode_signed8(const float* values, int64_t count, uint8_t* codes);
float encode_unsigned8(const float* values, int64_t count, uint8_t* codes);
void decode_signed8(const uint8_t* codes, float scale, int64_t count, float* values);
void decode_unsigned8(const uint8_t* codes, float scale, int64_t count, float* values);

}  // namespace gesso::runtime
