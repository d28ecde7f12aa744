// Loops over rows of numbers, compiled for several instruction sets and chosen when the library is
// loaded. They know no tensors; norm.cpp, rotary.cpp and activation.cpp split the rows over
// threads.
//
// Where an argument is bf16, results are rounded to it wherever the plain version rounds. Row
// buffers of x and y may be the same. D: length of a row.
#pragma once

#include <cstdint>

namespace gesso::nn::kernels {

/// A bf16 number as its bits.
struct BFloat16 {
  uint16_t bits;
};

/// y = round(x / rms(x)) * w, then * scale where that is given. `scale` may be null.
void rms_norm(const float* x, const float* w, const float* scale, float eps, int64_t rows,
              int64_t D, float* y);
void rms_norm(const BFloat16* x, const BFloat16* w, const BFloat16* scale, float eps, int64_t rows,
              int64_t D, BFloat16* y);

/// x += gate * rms_norm(y). `gate` may be null: 1.
void add_gated_rms_norm(float* x, const float* y, const float* w, const float* gate, float eps,
                        int64_t rows, int64_t D);
void add_gated_rms_norm(BFloat16* x, const BFloat16* y, const BFloat16* w, const BFloat16* gate,
                        float eps, int64_t rows, int64_t D);

/// For each of `tokens` rows of H heads of D numbers, in place: rms_norm of each head, then
/// rotation of the pairs (2i, 2i+1) by cos, sin [tokens, D/2], in float32.
void head_norm_rotate(float* x, const float* w, const float* cos, const float* sin, float eps,
                      int64_t tokens, int64_t H, int64_t D);
void head_norm_rotate(BFloat16* x, const BFloat16* w, const float* cos, const float* sin, float eps,
                      int64_t tokens, int64_t H, int64_t D);

/// a = silu(a) * b
void silu_multiply(float* a, const float* b, int64_t count);
void silu_multiply(BFloat16* a, const BFloat16* b, int64_t count);

/// sums[i] += x of column i, squares[i] += its square, over all rows.
void column_sums(const float* x, int64_t rows, int64_t D, float* sums, float* squares);
void column_sums(const BFloat16* x, int64_t rows, int64_t D, float* sums, float* squares);

/// y = silu(round(x * scale + shift)), scale and shift [D].
void scale_shift_silu(const float* x, const float* scale, const float* shift, int64_t rows,
                      int64_t D, float* y);
void scale_shift_silu(const BFloat16* x, const float* scale, const float* shift, int64_t rows,
                      int64_t D, BFloat16* y);

/// A block of keys in an attention that goes over the keys block by block. scores [rows, `stride`],
/// of which `count` are real and `padded` are written: weights = e^(scale * score - largest), 0
/// beyond `count`. `largest` and `total` [rows] go on from the blocks before, and `sums` [rows, D]
/// is brought to the new largest score.
void softmax_block(const float* scores, int64_t stride, int64_t rows, int64_t count, int64_t padded,
                   float scale, float* largest, float* total, float* sums, int64_t D,
                   BFloat16* weights);

/// Each row of x as int8: scale[row] = max|x| / 127 (1 for zeros), codes = round(x / scale).
void int8_rows(const float* x, int64_t rows, int64_t D, int8_t* codes, float* scale);
void int8_rows(const BFloat16* x, int64_t rows, int64_t D, int8_t* codes, float* scale);

/// y[row, i] = sums[row, i] * row_scale[row] * scale[i] + bias[i]; rows of y are `stride` apart.
/// `bias` may be null.
void scale_sums(const int32_t* sums, const float* row_scale, const float* scale, const float* bias,
                int64_t rows, int64_t D, int64_t stride, float* y);
void scale_sums(const int32_t* sums, const float* row_scale, const float* scale, const float* bias,
                int64_t rows, int64_t D, int64_t stride, BFloat16* y);

// The ways back, for training. Sums for weights are added to float buffers, which may be null.

/// Of y = rms_norm(x) * w [* scale], from dy: dx, dw [D] and dscale [D].
void rms_norm_back(const float* x, const float* w, const float* scale, const float* dy, float eps,
                   int64_t rows, int64_t D, float* dx, float* dw, float* dscale);
void rms_norm_back(const BFloat16* x, const BFloat16* w, const BFloat16* scale, const BFloat16* dy,
                   float eps, int64_t rows, int64_t D, BFloat16* dx, float* dw, float* dscale);

/// Of head_norm_rotate, from its input x and dy: dx and dw [D]; D up to 1024.
void head_norm_rotate_back(const float* x, const float* w, const float* cos, const float* sin,
                           const float* dy, float eps, int64_t tokens, int64_t H, int64_t D,
                           float* dx, float* dw);
void head_norm_rotate_back(const BFloat16* x, const BFloat16* w, const float* cos, const float* sin,
                           const BFloat16* dy, float eps, int64_t tokens, int64_t H, int64_t D,
                           BFloat16* dx, float* dw);

/// Of a block of an attention: `rows` keys and `count` queries, at most 64 each, rows of 64
/// numbers. weights = e^(scale * score - log_sum of the query), score_grads = weights * (grad -
/// delta of the query) * scale, 0 for keys and queries that are none; `paired` has score_grads with
/// pairs of rows interleaved.
void attention_back_block(const float* scores, const float* grads, int64_t rows, int64_t count,
                          float scale, const float* log_sums, const float* deltas,
                          BFloat16* weights, BFloat16* score_grads, BFloat16* paired);
/// sums[row] = a[row] * b[row], of rows of D numbers that are `stride` apart.
void row_products(const BFloat16* a, const BFloat16* b, int64_t stride, int64_t rows, int64_t D,
                  float* sums);

/// Of silu(a) * b.
void silu_multiply_back(const float* a, const float* b, const float* dy, int64_t count, float* da,
                        float* db);
void silu_multiply_back(const BFloat16* a, const BFloat16* b, const BFloat16* dy, int64_t count,
                        BFloat16* da, BFloat16* db);

}  // namespace gesso::nn::kernels
