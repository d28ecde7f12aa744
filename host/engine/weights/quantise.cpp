// Layouts of the blocks: ggml/src/ggml-common.h; rules: ggml/src/ggml-quants.c, quantize_row_*_ref.
#include "engine/weights/quantise.hpp"

#include "engine/weights/float_codec.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <span>

namespace gesso::weights {
namespace {

void put_half(uint8_t* bytes, float value) {
  const uint16_t code = to_f16(value);
  bytes[0] = static_cast<uint8_t>(code);
  bytes[1] = static_cast<uint8_t>(code >> 8);
}

float half_at(const uint8_t* bytes) {
  return from_f16(static_cast<uint16_t>(bytes[0] | bytes[1] << 8));
}

float inverse(float value) { return value != 0 ? 1.0f / value : 0.0f; }

/// The value that is farthest from 0; of equally far ones the first.
float extreme(std::span<const float> x) {
  return *std::max_element(x.begin(), x.end(),
                           [](float a, float b) { return std::abs(a) < std::abs(b); });
}

int nearest(float value) { return static_cast<int>(std::lrintf(value)); }

/// Codes of a block of 32, `bits` wide: nibbles, first half low, and the fifth bits as one word.
void pack_32(const std::array<uint8_t, 32>& codes, uint8_t* high, uint8_t* nibbles) {
  for (size_t i = 0; i < 16; ++i) {
    nibbles[i] = static_cast<uint8_t>((codes[i] & 0xF) | (codes[i + 16] & 0xF) << 4);
  }
  if (!high) return;
  uint32_t word = 0;
  for (size_t i = 0; i < 32; ++i) word |= static_cast<uint32_t>(codes[i] >> 4) << i;
  std::memcpy(high, &word, sizeof word);
}

/// Q4_0 and Q5_0: signed, the extreme value is exact.
void symmetric(std::span<const float> x, int half, uint8_t* block, uint8_t* high,
               uint8_t* nibbles) {
  const float d = extreme(x) / static_cast<float>(-half);
  const double factor = static_cast<double>(inverse(d));
  put_half(block, d);
  std::array<uint8_t, 32> codes;
  for (size_t i = 0; i < 32; ++i) {
    const double scaled = static_cast<double>(x[i]) * factor + half + 0.5;
    codes[i] = static_cast<uint8_t>(std::clamp(static_cast<int>(scaled), 0, 2 * half - 1));
  }
  pack_32(codes, high, nibbles);
}

/// Q4_1 and Q5_1: from the smallest to the largest value.
void ranged(std::span<const float> x, int steps, uint8_t* block, uint8_t* high, uint8_t* nibbles) {
  const auto [low, top] = std::minmax_element(x.begin(), x.end());
  const float d = (*top - *low) / static_cast<float>(steps), factor = inverse(d);
  put_half(block, d);
  put_half(block + 2, *low);
  std::array<uint8_t, 32> codes;
  for (size_t i = 0; i < 32; ++i) {
    codes[i] =
        static_cast<uint8_t>(std::clamp(static_cast<int>((x[i] - *low) * factor + 0.5f), 0, steps));
  }
  pack_32(codes, high, nibbles);
}

using Values = std::span<const float>;

void q4_0(Values x, uint8_t* block) { symmetric(x, 8, block, nullptr, block + 2); }
void q4_1(Values x, uint8_t* block) { ranged(x, 15, block, nullptr, block + 4); }
void q5_0(Values x, uint8_t* block) { symmetric(x, 16, block, block + 2, block + 6); }
void q5_1(Values x, uint8_t* block) { ranged(x, 31, block, block + 4, block + 8); }

void q8_0(Values x, uint8_t* block) {
  const float d = std::abs(extreme(x)) / 127, factor = inverse(d);
  put_half(block, d);
  for (size_t i = 0; i < 32; ++i) {
    block[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * factor)));
  }
}

/// x is about scale * code - minimum, codes in [0, top].
struct Fit {
  float scale = 0, minimum = 0;
};

float weighted_error(Values x, Values weights, int top, float inverse_scale, float low, Fit fit) {
  float error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const int code = std::clamp(nearest(inverse_scale * (x[i] - low)), 0, top);
    const float off = fit.scale * static_cast<float>(code) - fit.minimum - x[i];
    error += weights[i] * off * off;
  }
  return error;
}

/// Tries 21 widths; for each the codes are rounded, then scale and minimum fitted to them by least
/// squares.
Fit fit_range(Values x, Values weights, int top) {
  const float low = std::min(*std::min_element(x.begin(), x.end()), 0.0f);
  const float high = *std::max_element(x.begin(), x.end());
  if (high <= low) return {0, -low};
  const auto levels = static_cast<float>(top);
  Fit best{(high - low) / levels, -low};
  float least = weighted_error(x, weights, top, levels / (high - low), low, best);
  float sum_w = 0, sum_x = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  for (int step = 0; step <= 20; ++step) {
    const float inverse_scale = (levels - 1.0f + 0.1f * static_cast<float>(step)) / (high - low);
    float sum_l = 0, sum_ll = 0, sum_xl = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const auto code =
          static_cast<float>(std::clamp(nearest(inverse_scale * (x[i] - low)), 0, top));
      sum_l += weights[i] * code;
      sum_ll += weights[i] * code * code;
      sum_xl += weights[i] * code * x[i];
    }
    const float determinant = sum_w * sum_ll - sum_l * sum_l;
    if (determinant <= 0) continue;
    Fit fit{(sum_w * sum_xl - sum_x * sum_l) / determinant,
            (sum_l * sum_xl - sum_ll * sum_x) / determinant};
    if (fit.minimum < 0) fit = {sum_xl / sum_ll, 0};
    const float error = weighted_error(x, weights, top, inverse_scale, low, fit);
    if (error >= least) continue;
    least = error;
    best = fit;
  }
  return best;
}

/// Scale and minimum of group `j` of 8, 6 bits each, into 12 bytes.
void put_scale_and_minimum(uint8_t* packed, int j, int scale, int minimum) {
  if (j < 4) {
    packed[j] = static_cast<uint8_t>(packed[j] | scale);
    packed[j + 4] = static_cast<uint8_t>(packed[j + 4] | minimum);
  } else {
    packed[j + 4] = static_cast<uint8_t>((scale & 0xF) | (minimum & 0xF) << 4);
    packed[j - 4] = static_cast<uint8_t>(packed[j - 4] | scale >> 4 << 6);
    packed[j] = static_cast<uint8_t>(packed[j] | minimum >> 4 << 6);
  }
}

void q4_k(Values x, uint8_t* block) {
  Fit fits[8];
  float widest = 0, lowest = 0;
  for (size_t j = 0; j < 8; ++j) {
    const Values group = x.subspan(j * 32, 32);
    float squares = 0, weights[32];
    for (const float value : group) squares += value * value;
    for (size_t i = 0; i < 32; ++i) weights[i] = std::sqrt(squares / 32) + std::abs(group[i]);
    fits[j] = fit_range(group, weights, 15);
    widest = std::max(widest, fits[j].scale);
    lowest = std::max(lowest, fits[j].minimum);
  }
  std::memset(block, 0, 144);
  put_half(block, widest / 63);
  put_half(block + 2, lowest / 63);
  const float d = half_at(block), m = half_at(block + 2);
  for (int j = 0; j < 8; ++j) {
    const int scale = std::min(63, nearest(63 * inverse(widest) * fits[j].scale));
    const int minimum = std::min(63, nearest(63 * inverse(lowest) * fits[j].minimum));
    put_scale_and_minimum(block + 4, j, scale, minimum);
    const float factor = inverse(d * static_cast<float>(scale));
    const float low = m * static_cast<float>(minimum);
    uint8_t* bytes = block + 16 + j / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const float value = x[static_cast<size_t>(j * 32 + i)];
      const int code = factor != 0 ? std::clamp(nearest((value + low) * factor), 0, 15) : 0;
      bytes[i] = static_cast<uint8_t>(bytes[i] | code << (j % 2 * 4));
    }
  }
}

/// The scale for signed codes in [-32, 31] that leaves the least error, large values weighing more.
float fit_signed(Values x) {
  const float far = extreme(x);
  if (std::abs(far) < 1e-15f) return 0;
  float scale = 0, best = 0;
  for (const int step : {0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
    const float inverse_scale = -(32.0f + 0.1f * static_cast<float>(step)) / far;
    float sum_xl = 0, sum_ll = 0;
    for (const float value : x) {
      const auto code = static_cast<float>(std::clamp(nearest(inverse_scale * value), -32, 31));
      sum_xl += value * value * value * code;
      sum_ll += value * value * code * code;
    }
    if (sum_ll <= 0 || sum_xl * sum_xl <= best * sum_ll) continue;
    scale = sum_xl / sum_ll;
    best = scale * sum_xl;
  }
  return scale;
}

void q6_k(Values x, uint8_t* block) {
  float scales[16];
  for (size_t j = 0; j < 16; ++j) scales[j] = fit_signed(x.subspan(j * 16, 16));
  std::memset(block, 0, 210);
  const float widest = extreme(scales);
  if (std::abs(widest) < 1e-15f) return;
  put_half(block + 208, widest / -128);
  const float d = half_at(block + 208);
  for (size_t j = 0; j < 16; ++j) {
    const int scale = std::min(127, nearest(-128 / widest * scales[j]));
    block[192 + j] = static_cast<uint8_t>(static_cast<int8_t>(scale));
    const float step = d * static_cast<float>(scale);
    for (size_t i = 0; i < 16; ++i) {
      const int code = step != 0 ? std::clamp(nearest(x[j * 16 + i] / step), -32, 31) + 32 : 0;
      const size_t at = j * 16 + i, half = at / 128, quarter = at % 128 / 32, lane = at % 32;
      uint8_t& low = block[half * 64 + quarter % 2 * 32 + lane];
      uint8_t& high = block[128 + half * 32 + lane];
      low = static_cast<uint8_t>(low | (code & 0xF) << (quarter / 2 * 4));
      high = static_cast<uint8_t>(high | code >> 4 << (quarter * 2));
    }
  }
}

using Encoder = void (*)(Values, uint8_t*);

Encoder encoder_of(DType dtype) {
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
    case DType::Q4_K:
      return q4_k;
    case DType::Q6_K:
      return q6_k;
    default:
      return nullptr;
  }
}

}  // namespace

bool can_quantise(DType dtype) { return encoder_of(dtype) != nullptr; }

void quantise(DType dtype, const float* values, int64_t n_blocks, std::byte* blocks) {
  const Encoder encode = encoder_of(dtype);
  assert(encode);
  const auto width = static_cast<size_t>(block_elements(dtype));
  auto* block = reinterpret_cast<uint8_t*>(blocks);
  for (int64_t i = 0; i < n_blocks; ++i) {
    encode({values, width}, block);
    values += width;
    block += block_bytes(dtype);
  }
}

}  // namespace gesso::weights
