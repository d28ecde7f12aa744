// Small floating-point formats to and from float32: round to nearest even, as torch does.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace gesso::weights {

inline float from_bf16(uint16_t code) { return std::bit_cast<float>(uint32_t{code} << 16); }

inline uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return 0x7FC0;  // NaN
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

inline constexpr float from_f16(uint16_t code) {
  const uint32_t sign = uint32_t{code & 0x8000u} << 16;
  const uint32_t magnitude = code & 0x7FFFu;
  if (magnitude >= 0x7C00) {  // Inf, NaN
    return std::bit_cast<float>(sign | 0x7F800000 | ((magnitude & 0x3FF) << 13));
  }
  if (magnitude < 0x0400) {  // subnormal: a multiple of 2^-24
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + ((127u - 15u) << 23)));
}

inline uint16_t to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7E00;   // NaN
  if (magnitude >= 0x477FF000) return sign | 0x7C00;  // 65520 and more round to Inf
  if (magnitude < 0x38800000) {  // below 2^-14: let the adder round to a multiple of 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) - 0x3F000000);
  }
  const uint32_t rounded = magnitude - ((127u - 15u) << 23) + 0xFFF + ((magnitude >> 13) & 1);
  return sign | static_cast<uint16_t>(rounded >> 13);
}

/// float8_e4m3fn: no Inf, NaN is 0x7F, largest value 448.
inline constexpr float from_e4m3(uint8_t code) {
  const uint32_t sign = uint32_t{code & 0x80u} << 24;
  const uint32_t magnitude = code & 0x7Fu;
  if (magnitude == 0x7F) return std::bit_cast<float>(sign | 0x7FC00000);
  if (magnitude < 8) {  // subnormal: a multiple of 2^-9
    const float value = static_cast<float>(magnitude) * 0x1p-9f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  return std::bit_cast<float>(sign | ((magnitude << 20) + ((127u - 7u) << 23)));
}

/// Saturates at 448, Inf too, as torch 2.13 does.
inline uint8_t to_e4m3(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint8_t>((bits >> 24) & 0x80);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7F;   // NaN
  if (magnitude >= 0x43E00000) return sign | 0x7E;  // 448 and more
  if (magnitude < 0x3C800000) {  // below 2^-6: let the adder round to a multiple of 2^-9
    const float shifted = std::bit_cast<float>(magnitude) + 0x1p14f;
    return sign | static_cast<uint8_t>(std::bit_cast<uint32_t>(shifted) - 0x46800000);
  }
  const uint32_t rounded = magnitude - ((127u - 7u) << 23) + 0x7FFFF + ((magnitude >> 20) & 1);
  return sign | static_cast<uint8_t>(rounded >> 20);
}

/// float8_e5m2 is the upper half of float16.
inline constexpr float from_e5m2(uint8_t code) {
  return from_f16(static_cast<uint16_t>(uint16_t{code} << 8));
}

inline uint8_t to_e5m2(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint8_t>((bits >> 24) & 0x80);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7F;   // NaN
  if (magnitude >= 0x47700000) return sign | 0x7C;  // 61440 and more round to Inf
  if (magnitude < 0x38800000) {  // below 2^-14: let the adder round to a multiple of 2^-16
    const float shifted = std::bit_cast<float>(magnitude) + 0x1p7f;
    return sign | static_cast<uint8_t>(std::bit_cast<uint32_t>(shifted) - 0x43000000);
  }
  const uint32_t rounded = magnitude - ((127u - 15u) << 23) + 0xFFFFF + ((magnitude >> 21) & 1);
  return sign | static_cast<uint8_t>(rounded >> 21);
}

/// float8_e8m0fnu: a power of two, NaN is 0xFF.
inline float from_e8m0(uint8_t code) {
  if (code == 0xFF) return std::bit_cast<float>(0x7FC00000);
  return code == 0 ? 0x1p-127f : std::bit_cast<float>(uint32_t{code} << 23);
}

}  // namespace gesso::weights
