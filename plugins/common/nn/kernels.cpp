#include "nn/kernels.hpp"

#include <bit>
#include <cmath>

// One body, several instruction sets. The templates below are inlined into each clone.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define GESSO_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define GESSO_CLONES
#endif
#define GESSO_INLINE static inline __attribute__((always_inline))

namespace gesso::nn::kernels {
namespace {

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

template <class T>
GESSO_INLINE float normed(const T* x, const T* w, float r) {
  return rounded<T>(rounded<T>(load(x) * r) * load(w));
}

template <class T>
GESSO_INLINE void rms_norm_rows(const T* x, const T* w, const T* scale, float eps, int64_t rows,
                                int64_t D, T* y) {
  for (int64_t row = 0; row < rows; ++row, x += D, y += D) {
    const float r = inverse_rms(x, D, eps);
    if (scale) {
      for (int64_t i = 0; i < D; ++i) store(y + i, normed(x + i, w + i, r) * load(scale + i));
    } else {
      for (int64_t i = 0; i < D; ++i) store(y + i, normed(x + i, w + i, r));
    }
  }
}

template <class T>
GESSO_INLINE void add_gated_rows(T* x, const T* y, const T* w, const T* gate, float eps,
                                 int64_t rows, int64_t D) {
  for (int64_t row = 0; row < rows; ++row, x += D, y += D) {
    const float r = inverse_rms(y, D, eps);
    if (gate) {
      for (int64_t i = 0; i < D; ++i) {
        store(x + i, load(x + i) + rounded<T>(normed(y + i, w + i, r) * load(gate + i)));
      }
    } else {
      for (int64_t i = 0; i < D; ++i) store(x + i, load(x + i) + normed(y + i, w + i, r));
    }
  }
}

/// Norm and rotation of one head. Three plain loops over a buffer, since pairs of 16-bit numbers
/// are slow to take apart.
template <class T>
GESSO_INLINE void turn_head(T* x, const T* w, const float* cos, const float* sin, float r,
                            int64_t D) {
  constexpr int64_t kBuffer = 256;
  float plain[kBuffer], turned[kBuffer];
  for (int64_t begin = 0; begin < D; begin += kBuffer) {
    const int64_t n = D - begin < kBuffer ? D - begin : kBuffer;
    for (int64_t i = 0; i < n; ++i) plain[i] = normed(x + begin + i, w + begin + i, r);
    for (int64_t i = 0; i < n / 2; ++i) {
      const float re = plain[2 * i], im = plain[2 * i + 1];
      const float c = cos[begin / 2 + i], s = sin[begin / 2 + i];
      turned[2 * i] = re * c - im * s;
      turned[2 * i + 1] = re * s + im * c;
    }
    for (int64_t i = 0; i < n; ++i) store(x + begin + i, turned[i]);
  }
}

template <class T>
GESSO_INLINE void head_rows(T* x, const T* w, const float* cos, const float* sin, float eps,
                            int64_t tokens, int64_t H, int64_t D) {
  for (int64_t t = 0; t < tokens; ++t, cos += D / 2, sin += D / 2) {
    for (int64_t h = 0; h < H; ++h, x += D) turn_head(x, w, cos, sin, inverse_rms(x, D, eps), D);
  }
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

template <class T>
GESSO_INLINE void silu_multiply_all(T* a, const T* b, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float v = load(a + i);
    store(a + i, rounded<T>(v / (1.0f + exponential(-v))) * load(b + i));
  }
}

}  // namespace

GESSO_CLONES void rms_norm(const float* x, const float* w, const float* scale, float eps,
                           int64_t rows, int64_t D, float* y) {
  rms_norm_rows(x, w, scale, eps, rows, D, y);
}
GESSO_CLONES void rms_norm(const BFloat16* x, const BFloat16* w, const BFloat16* scale, float eps,
                           int64_t rows, int64_t D, BFloat16* y) {
  rms_norm_rows(x, w, scale, eps, rows, D, y);
}
GESSO_CLONES void add_gated_rms_norm(float* x, const float* y, const float* w, const float* gate,
                                     float eps, int64_t rows, int64_t D) {
  add_gated_rows(x, y, w, gate, eps, rows, D);
}
GESSO_CLONES void add_gated_rms_norm(BFloat16* x, const BFloat16* y, const BFloat16* w,
                                     const BFloat16* gate, float eps, int64_t rows, int64_t D) {
  add_gated_rows(x, y, w, gate, eps, rows, D);
}
GESSO_CLONES void head_norm_rotate(float* x, const float* w, const float* cos, const float* sin,
                                   float eps, int64_t tokens, int64_t H, int64_t D) {
  head_rows(x, w, cos, sin, eps, tokens, H, D);
}
GESSO_CLONES void head_norm_rotate(BFloat16* x, const BFloat16* w, const float* cos,
                                   const float* sin, float eps, int64_t tokens, int64_t H,
                                   int64_t D) {
  head_rows(x, w, cos, sin, eps, tokens, H, D);
}
GESSO_CLONES void silu_multiply(float* a, const float* b, int64_t count) {
  silu_multiply_all(a, b, count);
}
GESSO_CLONES void silu_multiply(BFloat16* a, const BFloat16* b, int64_t count) {
  silu_multiply_all(a, b, count);
}

}  // namespace gesso::nn::kernels
