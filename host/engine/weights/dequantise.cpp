// Layouts of the blocks: ggml/src/ggml-common.h; arithmetic: ggml/src/ggml-quants.c,
// dequantize_row_*. `d` is the scale of a block, `m` its minimum, both float16.
#include "engine/weights/dequantise.hpp"

#include "engine/weights/float_codec.hpp"

#include <cassert>
#include <cstring>

namespace gesso::weights {
namespace {

float half_at(const uint8_t* bytes) {
  return from_f16(static_cast<uint16_t>(bytes[0] | bytes[1] << 8));
}

// Blocks of 32. The first 16 elements are in the low nibbles, the last 16 in the high ones.

void q4_0(const uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((block[2 + i] & 0xF) - 8) * d;
    out[i + 16] = static_cast<float>((block[2 + i] >> 4) - 8) * d;
  }
}

void q4_1(const uint8_t* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(block[4 + i] & 0xF) * d + m;
    out[i + 16] = static_cast<float>(block[4 + i] >> 4) * d + m;
  }
}

/// Element `i` of a 5-bit block: a nibble and, as fifth bit, bit `i` of `high`.
int five_bits(const uint8_t* nibbles, uint32_t high, int i) {
  const int low = i < 16 ? nibbles[i] & 0xF : nibbles[i - 16] >> 4;
  return low | static_cast<int>((high >> i & 1) << 4);
}

uint32_t word_at(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

void q5_0(const uint8_t* block, float* out) {
  const float d = half_at(block);
  const uint32_t high = word_at(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(five_bits(block + 6, high, i) - 16) * d;
}

void q5_1(const uint8_t* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  const uint32_t high = word_at(block + 4);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(five_bits(block + 8, high, i)) * d + m;
}

void q8_0(const uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * d;
}

// Super-blocks of 256 with a small scale for each 16 or 32 elements.

void q2_k(const uint8_t* block, float* out) {
  const uint8_t* scales = block;
  const uint8_t* quants = block + 16;
  const float d = half_at(block + 80), m = half_at(block + 82);
  for (int half = 0; half < 2; ++half, quants += 32) {
    for (int shift = 0; shift < 8; shift += 2) {
      for (int part = 0; part < 2; ++part, out += 16, ++scales) {
        const float scale = d * static_cast<float>(*scales & 0xF);
        const float low = m * static_cast<float>(*scales >> 4);
        for (int i = 0; i < 16; ++i) {
          out[i] = scale * static_cast<float>(quants[part * 16 + i] >> shift & 3) - low;
        }
      }
    }
  }
}

void q3_k(const uint8_t* block, float* out) {
  const uint8_t* high = block;
  const uint8_t* quants = block + 32;
  const uint8_t* packed = block + 96;  // 16 scales of 6 bits: 4 low bits in 8 bytes, 2 high in 4
  const float d = half_at(block + 108);
  int group = 0;
  for (int half = 0; half < 2; ++half, quants += 32) {
    for (int shift = 0; shift < 8; shift += 2) {
      const uint8_t bit = static_cast<uint8_t>(1 << (half * 4 + shift / 2));
      for (int part = 0; part < 2; ++part, out += 16, ++group) {
        const int low = group < 8 ? packed[group] & 0xF : packed[group - 8] >> 4;
        const int scale = (low | (packed[8 + group % 4] >> (group / 4 * 2) & 3) << 4) - 32;
        const float factor = d * static_cast<float>(scale);
        for (int i = 0; i < 16; ++i) {
          const int at = part * 16 + i;
          out[i] =
              factor * static_cast<float>((quants[at] >> shift & 3) - (high[at] & bit ? 0 : 4));
        }
      }
    }
  }
}

/// Scale and minimum of group `j` of 8 in Q4_K and Q5_K: 6 bits each, packed into 12 bytes.
void scale_and_minimum(const uint8_t* packed, int j, int& scale, int& minimum) {
  if (j < 4) {
    scale = packed[j] & 63;
    minimum = packed[j + 4] & 63;
  } else {
    scale = (packed[j + 4] & 0xF) | (packed[j - 4] >> 6) << 4;
    minimum = packed[j + 4] >> 4 | (packed[j] >> 6) << 4;
  }
}

/// `high` is null for Q4_K; in Q5_K its bit `group` is the fifth bit.
void k_groups(const uint8_t* block, const uint8_t* high, const uint8_t* quants, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int group = 0; group < 8; ++group, out += 32) {
    int scale, minimum;
    scale_and_minimum(block + 4, group, scale, minimum);
    const float factor = d * static_cast<float>(scale), low = m * static_cast<float>(minimum);
    const uint8_t* bytes = quants + group / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      int value = group % 2 ? bytes[i] >> 4 : bytes[i] & 0xF;
      if (high) value += (high[i] >> group & 1) * 16;
      out[i] = factor * static_cast<float>(value) - low;
    }
  }
}

void q4_k(const uint8_t* block, float* out) { k_groups(block, nullptr, block + 16, out); }
void q5_k(const uint8_t* block, float* out) { k_groups(block, block + 16, block + 48, out); }

void q6_k(const uint8_t* block, float* out) {
  const uint8_t* low = block;
  const uint8_t* high = block + 128;
  const uint8_t* scales = block + 192;
  const float d = half_at(block + 208);
  for (int half = 0; half < 2; ++half, low += 64, high += 32, scales += 8, out += 128) {
    for (int quarter = 0; quarter < 4; ++quarter) {
      for (int i = 0; i < 32; ++i) {
        const uint8_t byte = low[quarter % 2 * 32 + i];
        const int nibble = quarter < 2 ? byte & 0xF : byte >> 4;
        const int value = (nibble | (high[i] >> (quarter * 2) & 3) << 4) - 32;
        const auto scale = static_cast<float>(static_cast<int8_t>(scales[quarter * 2 + i / 16]));
        out[quarter * 32 + i] = d * scale * static_cast<float>(value);
      }
    }
  }
}

using Decoder = void (*)(const uint8_t*, float*);

Decoder decoder_of(DType dtype) {
  switch (dtype) {
    case DType::Q4_0:
      return q4_0;
    case DType::Q4_1:
      return q4_1;
    case DType::Q5_0:
      return q5_0;
    case DType::Q5_1:
      return q5_1;
    case DType::Q8_0:
      return q8_0;
    case DType::Q2_K:
      return q2_k;
    case DType::Q3_K:
      return q3_k;
    case DType::Q4_K:
      return q4_k;
    case DType::Q5_K:
      return q5_k;
    case DType::Q6_K:
      return q6_k;
    default:
      return nullptr;
  }
}

}  // namespace

void dequantise(DType dtype, const std::byte* blocks, int64_t n_blocks, float* out) {
  const Decoder decode = decoder_of(dtype);
  assert(decode);
  const auto* block = reinterpret_cast<const uint8_t*>(blocks);
  for (int64_t i = 0; i < n_blocks; ++i) {
    decode(block, out);
    block += block_bytes(dtype);
    out += block_elements(dtype);
  }
}

}  // namespace gesso::weights
