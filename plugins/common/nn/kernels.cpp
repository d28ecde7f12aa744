#include "nn/kernels.hpp"

#include "nn/kernel_tools.hpp"

namespace gesso::nn::kernels {
namespace {

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

GESSO_INLINE float silu(float v) { return v / (1.0f + exponential(-v)); }

template <class T>
GESSO_INLINE void silu_multiply_all(T* a, const T* b, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    store(a + i, rounded<T>(silu(load(a + i))) * load(b + i));
  }
}

template <class T>
GESSO_INLINE void sum_columns(const T* x, int64_t rows, int64_t D, float* sums, float* squares) {
  for (int64_t row = 0; row < rows; ++row, x += D) {
    for (int64_t i = 0; i < D; ++i) {
      const float v = load(x + i);
      sums[i] += v;
      squares[i] += v * v;
    }
  }
}

template <class T>
GESSO_INLINE void scale_shift_silu_rows(const T* x, const float* scale, const float* shift,
                                        int64_t rows, int64_t D, T* y) {
  for (int64_t row = 0; row < rows; ++row, x += D, y += D) {
    for (int64_t i = 0; i < D; ++i) {
      store(y + i, silu(rounded<T>(load(x + i) * scale[i] + shift[i])));
    }
  }
}

/// The largest magnitude; NaN when a number is no finite one.
template <class T>
GESSO_INLINE float largest(const T* x, int64_t D) {
  float most[kLanes] = {}, bad[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= D; i += kLanes) {
    for (int64_t k = 0; k < kLanes; ++k) {
      const float v = std::fabs(load(x + i + k));
      most[k] = v > most[k] ? v : most[k];
      bad[k] += v * 0.0f;
    }
  }
  for (; i < D; ++i) {
    const float v = std::fabs(load(x + i));
    most[0] = v > most[0] ? v : most[0];
    bad[0] += v * 0.0f;
  }
  for (int64_t k = 1; k < kLanes; ++k) {
    most[0] = most[k] > most[0] ? most[k] : most[0];
    bad[0] += bad[k];
  }
  return most[0] + bad[0];
}

template <class T>
GESSO_INLINE void int8_all(const T* x, int64_t rows, int64_t D, int8_t* codes, float* scale) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  for (int64_t row = 0; row < rows; ++row, x += D, codes += D) {
    const float most = largest(x, D), s = most == 0 ? 1.0f : most / 127.0f;
    scale[row] = s;
    for (int64_t i = 0; i < D; ++i) {
      codes[i] = static_cast<int8_t>(static_cast<int32_t>((load(x + i) / s + kRound) - kRound));
    }
  }
}

template <class T>
GESSO_INLINE void scale_all(const int32_t* sums, const float* row_scale, const float* scale,
                            const float* bias, int64_t rows, int64_t D, int64_t stride, T* y) {
  for (int64_t row = 0; row < rows; ++row, sums += D, y += stride) {
    const float r = row_scale[row];
    if (bias) {
      for (int64_t i = 0; i < D; ++i) {
        store(y + i, static_cast<float>(sums[i]) * r * scale[i] + bias[i]);
      }
    } else {
      for (int64_t i = 0; i < D; ++i) store(y + i, static_cast<float>(sums[i]) * r * scale[i]);
    }
  }
}

GESSO_INLINE float largest_of(const float* x, int64_t count, float start) {
  float most[kLanes];
  for (int64_t k = 0; k < kLanes; ++k) most[k] = start;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t k = 0; k < kLanes; ++k) most[k] = x[i + k] > most[k] ? x[i + k] : most[k];
  }
  for (; i < count; ++i) most[0] = x[i] > most[0] ? x[i] : most[0];
  for (int64_t k = 1; k < kLanes; ++k) most[0] = most[k] > most[0] ? most[k] : most[0];
  return most[0];
}

/// weights = e^(scale * x - shift). Returns their sum.
GESSO_INLINE float exponentials(const float* x, int64_t count, float scale, float shift,
                                BFloat16* weights) {
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t k = 0; k < kLanes; ++k) {
      const float e = exponential(x[i + k] * scale - shift);
      sums[k] += e;
      store(weights + i + k, e);
    }
  }
  for (; i < count; ++i) {
    const float e = exponential(x[i] * scale - shift);
    sums[0] += e;
    store(weights + i, e);
  }
  for (int64_t k = 1; k < kLanes; ++k) sums[0] += sums[k];
  return sums[0];
}

}  // namespace

GESSO_CLONES void softmax_block(const float* scores, int64_t stride, int64_t rows, int64_t count,
                                int64_t padded, float scale, float* largest, float* total,
                                float* sums, int64_t D, BFloat16* weights) {
  for (int64_t row = 0; row < rows; ++row, scores += stride, weights += stride, sums += D) {
    const float before = largest[row];
    largest[row] = largest_of(scores, count, before / scale) * scale;
    const float factor = exponential(before - largest[row]);
    total[row] = total[row] * factor + exponentials(scores, count, scale, largest[row], weights);
    for (int64_t i = count; i < padded; ++i) weights[i].bits = 0;
    if (factor != 1.0f) {
      for (int64_t i = 0; i < D; ++i) sums[i] *= factor;
    }
  }
}
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
GESSO_CLONES void column_sums(const float* x, int64_t rows, int64_t D, float* sums,
                              float* squares) {
  sum_columns(x, rows, D, sums, squares);
}
GESSO_CLONES void column_sums(const BFloat16* x, int64_t rows, int64_t D, float* sums,
                              float* squares) {
  sum_columns(x, rows, D, sums, squares);
}
GESSO_CLONES void scale_shift_silu(const float* x, const float* scale, const float* shift,
                                   int64_t rows, int64_t D, float* y) {
  scale_shift_silu_rows(x, scale, shift, rows, D, y);
}
GESSO_CLONES void scale_shift_silu(const BFloat16* x, const float* scale, const float* shift,
                                   int64_t rows, int64_t D, BFloat16* y) {
  scale_shift_silu_rows(x, scale, shift, rows, D, y);
}
GESSO_CLONES void int8_rows(const float* x, int64_t rows, int64_t D, int8_t* codes, float* scale) {
  int8_all(x, rows, D, codes, scale);
}
GESSO_CLONES void int8_rows(const BFloat16* x, int64_t rows, int64_t D, int8_t* codes,
                            float* scale) {
  int8_all(x, rows, D, codes, scale);
}
GESSO_CLONES void scale_sums(const int32_t* sums, const float* row_scale, const float* scale,
                             const float* bias, int64_t rows, int64_t D, int64_t stride, float* y) {
  scale_all(sums, row_scale, scale, bias, rows, D, stride, y);
}
GESSO_CLONES void scale_sums(const int32_t* sums, const float* row_scale, const float* scale,
                             const float* bias, int64_t rows, int64_t D, int64_t stride,
                             BFloat16* y) {
  scale_all(sums, row_scale, scale, bias, rows, D, stride, y);
}

}  // namespace gesso::nn::kernels
