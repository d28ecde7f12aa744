#include "nn/attention_panels.hpp"

namespace gesso::nn {

using at::BFloat16;

void pack_transposed(const BFloat16* x, int64_t stride, int64_t L, int64_t D, BFloat16* packed) {
  for (int64_t panel = 0; panel < L; panel += kPanel) {
    for (int64_t d = 0; d < D; d += 2) {
      for (int64_t i = 0; i < kPanel; ++i, packed += 2) {
        const bool real = panel + i < L;
        packed[0] = real ? x[(panel + i) * stride + d] : BFloat16(0);
        packed[1] = real ? x[(panel + i) * stride + d + 1] : BFloat16(0);
      }
    }
  }
}

void pack_plain(const BFloat16* x, int64_t stride, int64_t L, int64_t D, BFloat16* packed) {
  for (int64_t panel = 0; panel < D; panel += kPanel) {
    for (int64_t l = 0; l < round_up(L, kPanel); l += 2) {
      for (int64_t i = 0; i < kPanel; ++i, packed += 2) {
        packed[0] = l < L ? x[l * stride + panel + i] : BFloat16(0);
        packed[1] = l + 1 < L ? x[(l + 1) * stride + panel + i] : BFloat16(0);
      }
    }
  }
}

}  // namespace gesso::nn
