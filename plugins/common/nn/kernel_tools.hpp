// What the kernels are written with: numbers of both types, sums, e^v. Private to kernels*.cpp.
#pragma once

#include "nn/kernels.hpp"

#include <bit>
#include <cmath>

// One body, several instruction sets. The templates below are inlined into each clone.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GESSO_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define GESSO_CLONES
#endif
#define GESSO_INLINE static inline __attribute__((always_inline))

namespace gesso::nn::kernels {

constexpr int64_t kLanes = 16;

GESSO_INLINE float load(const float* p) { return *p; }
GESSO_INLINE float load(const BFloat16* p) {
  return std::bit_cast<float>(static_cast<uint32_t>(p->bits) << 16);
}

/// To the nearest, ties to even. NaN stays NaN: one that comes from bf16 or from arithmetic has no
/// low bits from which a carry could start.
GESSO_INLINE uint32_t rounded_bits(float v) {
  const uint32_t bits = std::bit_cast<uint32_t>(v);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
GESSO_INLINE void store(float* p, float v) { *p = v; }
GESSO_INLINE void store(BFloat16* p, float v) { p->bits = static_cast<uint16_t>(rounded_bits(v)); }

/// The value that is left when `v` is stored as T.
template <class T>
GESSO_INLINE float rounded(float v) {
  if constexpr (sizeof(T) == sizeof(float)) return v;
  return std::bit_cast<float>(rounded_bits(v) << 16);
}

/// 1 / sqrt(mean of squares + eps); sixteen running sums, which the compiler keeps in registers.
template <class T>
GESSO_INLINE float inverse_rms(const T* x, int64_t D, float eps) {
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= D; i += kLanes) {
    for (int64_t k = 0; k < kLanes; ++k) sums[k] += load(x + i + k) * load(x + i + k);
  }
  for (; i < D; ++i) sums[0] += load(x + i) * load(x + i);
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t k = 0; k < width; ++k) sums[k] += sums[k + width];
  }
  return 1.0f / std::sqrt(sums[0] / static_cast<float>(D) + eps);
}

/// e^v within 2 ulp for v in [-87, 88]; infinite from 88.4 on, and never below e^-87.
/// As 2^n * e^r with |r| <= ln(2) / 2; coefficients: Cephes expf.
GESSO_INLINE float exponential(float v) {
  v = v < -87.0f ? -87.0f : (v > 89.0f ? 89.0f : v);
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer
  const float n = (v * 1.44269504088896341f + kRound) - kRound;
  const float r = v - n * 0.693359375f - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float e = p * r * r + r + 1.0f;
  return e * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

}  // namespace gesso::nn::kernels
