#include "runtime/training/blockwise8.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace gesso::runtime {
namespace {

using Code = std::array<float, 256>;

/// Decades 1e-6 to 1; each next one has twice as many codes, the means of equal parts of [0.1, 1].
/// Source: bitsandbytes, functional.py, create_dynamic_map.
Code dynamic_code(bool is_signed) {
  constexpr int kDecades = 7;
  std::vector<double> values{0, 1};
  for (int i = 0; i < kDecades; ++i) {
    const int parts = 1 << (is_signed ? i : i + 1);
    for (int k = 0; k < parts; ++k) {
      const double mean = 0.1 + 0.9 * (k + 0.5) / parts;
      const double value = mean * std::pow(10.0, i - (kDecades - 1));
      values.push_back(value);
      if (is_signed) values.push_back(-value);
    }
  }
  std::sort(values.begin(), values.end());
  Code code;
  std::copy(values.begin(), values.end(), code.begin());
  return code;
}

const Code& code_of(bool is_signed) {
  static const Code with_sign = dynamic_code(true), without = dynamic_code(false);
  return is_signed ? with_sign : without;
}

uint8_t nearest(const Code& code, float value) {
  const auto above = std::lower_bound(code.begin(), code.end(), value);
  if (above == code.begin()) return 0;
  if (above == code.end()) return 255;
  const bool lower = value - *(above - 1) <= *above - value;
  return static_cast<uint8_t>(above - code.begin() - (lower ? 1 : 0));
}

float encode(const Code& code, const float* values, int64_t count, uint8_t* codes) {
  float scale = 0;
  for (int64_t i = 0; i < count; ++i) scale = std::max(scale, std::abs(values[i]));
  const float factor = scale > 0 ? 1 / scale : 0;
  for (int64_t i = 0; i < count; ++i) codes[i] = nearest(code, values[i] * factor);
  return scale;
}

void decode(const Code& code, const uint8_t* codes, float scale, int64_t count, float* values) {
  for (int64_t i = 0; i < count; ++i) values[i] = code[codes[i]] * scale;
}

}  // namespace

float encode_signed8(const float* values, int64_t count, uint8_t* codes) {
  return encode(code_of(true), values, count, codes);
}
float encode_unsigned8(const float* values, int64_t count, uint8_t* codes) {
  return encode(code_of(false), values, count, codes);
}
void decode_signed8(const uint8_t* codes, float scale, int64_t count, float* values) {
  decode(code_of(true), codes, scale, count, values);
}
void decode_unsigned8(const uint8_t* codes, float scale, int64_t count, float* values) {
  decode(code_of(false), codes, scale, count, values);
}

}  // namespace gesso::runtime
