#include "nn/kernel_tools.hpp"

namespace gesso::nn::kernels {
namespace {

constexpr int64_t kHeadBuffer = 1024;
constexpr int64_t kBlock = 64;  // of keys and queries

/// With n = x * r and g = dy * w * scale: dx = r * (g - n * mean(g * n)).
template <class T>
GESSO_INLINE void rms_norm_back_rows(const T* x, const T* w, const T* scale, const T* dy, float eps,
                                     int64_t rows, int64_t D, T* dx, float* dw, float* dscale) {
  for (int64_t row = 0; row < rows; ++row, x += D, dy += D, dx += D) {
    const float r = inverse_rms(x, D, eps);
    float sums[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= D; i += kLanes) {
      for (int64_t k = 0; k < kLanes; ++k) {
        const float s = scale ? load(scale + i + k) : 1.0f;
        sums[k] += load(dy + i + k) * load(w + i + k) * s * load(x + i + k);
      }
    }
    for (; i < D; ++i) {
      sums[0] += load(dy + i) * load(w + i) * (scale ? load(scale + i) : 1.0f) * load(x + i);
    }
    for (int64_t width = kLanes / 2; width > 0; width /= 2) {
      for (int64_t k = 0; k < width; ++k) sums[k] += sums[k + width];
    }
    const float pull = sums[0] * r * r * r / static_cast<float>(D);
    if (dw) {
      for (int64_t k = 0; k < D; ++k) {
        dw[k] += load(dy + k) * load(x + k) * r * (scale ? load(scale + k) : 1.0f);
      }
    }
    if (dscale) {
      for (int64_t k = 0; k < D; ++k) dscale[k] += load(dy + k) * load(x + k) * r * load(w + k);
    }
    if (scale) {
      for (int64_t k = 0; k < D; ++k) {
        store(dx + k, load(dy + k) * load(w + k) * load(scale + k) * r - load(x + k) * pull);
      }
    } else {
      for (int64_t k = 0; k < D; ++k) {
        store(dx + k, load(dy + k) * load(w + k) * r - load(x + k) * pull);
      }
    }
  }
}

/// The rotation turned back, then the norm's way back.
template <class T>
GESSO_INLINE void head_back_rows(const T* x, const T* w, const float* cos, const float* sin,
                                 const T* dy, float eps, int64_t tokens, int64_t H, int64_t D,
                                 T* dx, float* dw) {
  float g[kHeadBuffer], plain[kHeadBuffer];
  for (int64_t t = 0; t < tokens; ++t, cos += D / 2, sin += D / 2) {
    for (int64_t h = 0; h < H; ++h, x += D, dy += D, dx += D) {
      for (int64_t i = 0; i < D; ++i) plain[i] = load(dy + i);
      for (int64_t i = 0; i < D / 2; ++i) {
        const float re = plain[2 * i], im = plain[2 * i + 1];
        g[2 * i] = re * cos[i] + im * sin[i];
        g[2 * i + 1] = im * cos[i] - re * sin[i];
      }
      const float r = inverse_rms(x, D, eps);
      float sum = 0;
      for (int64_t i = 0; i < D; ++i) sum += g[i] * load(w + i) * load(x + i);
      const float pull = sum * r * r * r / static_cast<float>(D);
      if (dw) {
        for (int64_t i = 0; i < D; ++i) dw[i] += g[i] * load(x + i) * r;
      }
      for (int64_t i = 0; i < D; ++i) store(dx + i, g[i] * load(w + i) * r - load(x + i) * pull);
    }
  }
}

/// With s = sigmoid(a): da = dy * b * s * (1 + a * (1 - s)), db = dy * a * s.
template <class T>
GESSO_INLINE void silu_back_all(const T* a, const T* b, const T* dy, int64_t count, T* da, T* db) {
  for (int64_t i = 0; i < count; ++i) {
    const float v = load(a + i), d = load(dy + i);
    const float s = 1.0f / (1.0f + exponential(-v));
    store(da + i, d * load(b + i) * s * (1.0f + v * (1.0f - s)));
    store(db + i, d * v * s);
  }
}

GESSO_INLINE void attention_back_all(const float* scores, const float* grads, int64_t rows,
                                     int64_t count, float scale, const float* log_sums,
                                     const float* deltas, BFloat16* weights, BFloat16* score_grads,
                                     BFloat16* paired) {
  for (int64_t row = 0; row < kBlock; ++row) {
    const float* s = scores + row * kBlock;
    const float* g = grads + row * kBlock;
    BFloat16* w = weights + row * kBlock;
    BFloat16* ds = score_grads + row * kBlock;
    const int64_t real = row < rows ? count : 0;
    for (int64_t i = 0; i < real; ++i) {
      const float e = exponential(s[i] * scale - log_sums[i]);
      store(w + i, e);
      store(ds + i, e * (g[i] - deltas[i]) * scale);
    }
    for (int64_t i = real; i < kBlock; ++i) w[i].bits = ds[i].bits = 0;
  }
  for (int64_t row = 0; row < kBlock; row += 2, paired += 2 * kBlock) {
    const BFloat16* first = score_grads + row * kBlock;
    const BFloat16* second = first + kBlock;
    for (int64_t i = 0; i < kBlock; ++i) {
      paired[2 * i] = first[i];
      paired[2 * i + 1] = second[i];
    }
  }
}

GESSO_INLINE void row_products_all(const BFloat16* a, const BFloat16* b, int64_t stride,
                                   int64_t rows, int64_t D, float* sums) {
  for (int64_t row = 0; row < rows; ++row, a += stride, b += stride) {
    float parts[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= D; i += kLanes) {
      for (int64_t k = 0; k < kLanes; ++k) parts[k] += load(a + i + k) * load(b + i + k);
    }
    for (; i < D; ++i) parts[0] += load(a + i) * load(b + i);
    for (int64_t k = 1; k < kLanes; ++k) parts[0] += parts[k];
    sums[row] = parts[0];
  }
}

}  // namespace

GESSO_CLONES void attention_back_block(const float* scores, const float* grads, int64_t rows,
                                       int64_t count, float scale, const float* log_sums,
                                       const float* deltas, BFloat16* weights,
                                       BFloat16* score_grads, BFloat16* paired) {
  attention_back_all(scores, grads, rows, count, scale, log_sums, deltas, weights, score_grads,
                     paired);
}
GESSO_CLONES void row_products(const BFloat16* a, const BFloat16* b, int64_t stride, int64_t rows,
                               int64_t D, float* sums) {
  row_products_all(a, b, stride, rows, D, sums);
}
GESSO_CLONES void rms_norm_back(const float* x, const float* w, const float* scale, const float* dy,
                                float eps, int64_t rows, int64_t D, float* dx, float* dw,
                                float* dscale) {
  rms_norm_back_rows(x, w, scale, dy, eps, rows, D, dx, dw, dscale);
}
GESSO_CLONES void rms_norm_back(const BFloat16* x, const BFloat16* w, const BFloat16* scale,
                                const BFloat16* dy, float eps, int64_t rows, int64_t D,
                                BFloat16* dx, float* dw, float* dscale) {
  rms_norm_back_rows(x, w, scale, dy, eps, rows, D, dx, dw, dscale);
}
GESSO_CLONES void head_norm_rotate_back(const float* x, const float* w, const float* cos,
                                        const float* sin, const float* dy, float eps,
                                        int64_t tokens, int64_t H, int64_t D, float* dx,
                                        float* dw) {
  head_back_rows(x, w, cos, sin, dy, eps, tokens, H, D, dx, dw);
}
GESSO_CLONES void head_norm_rotate_back(const BFloat16* x, const BFloat16* w, const float* cos,
                                        const float* sin, const BFloat16* dy, float eps,
                                        int64_t tokens, int64_t H, int64_t D, BFloat16* dx,
                                        float* dw) {
  head_back_rows(x, w, cos, sin, dy, eps, tokens, H, D, dx, dw);
}
GESSO_CLONES void silu_multiply_back(const float* a, const float* b, const float* dy, int64_t count,
                                     float* da, float* db) {
  silu_back_all(a, b, dy, count, da, db);
}
GESSO_CLONES void silu_multiply_back(const BFloat16* a, const BFloat16* b, const BFloat16* dy,
                                     int64_t count, BFloat16* da, BFloat16* db) {
  silu_back_all(a, b, dy, count, da, db);
}

}  // namespace gesso::nn::kernels
