// Right sides of bf16 products in the order of the processor's instruction: pairs of rows
// interleaved, a panel of 64 columns after the other. Private to nn.
//
// x [L, D], rows `stride` apart; L is rounded up to a multiple of 64 with zeros.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace gesso::nn {

constexpr int64_t kPanel = 64;  // columns that oneDNN wants side by side

inline int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

/// x^T, for products that sum over D. Rows [l, l + 64) of x are the panel at packed + l * D.
void pack_transposed(const at::BFloat16* x, int64_t stride, int64_t L, int64_t D,
                     at::BFloat16* packed);

/// x, for products that sum over L. Rows from l on of the columns [d, d + 64) are the panel at
/// packed + d * round_up(L, 64) + l * 64. D is a multiple of 64.
void pack_plain(const at::BFloat16* x, int64_t stride, int64_t L, int64_t D, at::BFloat16* packed);

}  // namespace gesso::nn
