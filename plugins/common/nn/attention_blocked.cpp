#include "nn/attention_blocked.hpp"

#include <ATen/native/CPUBlas.h>
#include <ATen/ops/empty.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "nn/attention_panels.hpp"
#include "nn/cpu_features.hpp"
#include "nn/kernels.hpp"

namespace gesso::nn {
namespace {

using at::BFloat16;
using kernels::softmax_block;
namespace blas = at::native::cpublas;

constexpr int64_t kQueries = 64;  // of a block
constexpr int64_t kKeys = 512;    // of a block: its scores stay in the second cache

/// Keys and values as right sides of products.
struct Packed {
  at::Tensor keys_GNDP2;    // panels of keys: [G, L / 64, D / 2, 64, 2]
  at::Tensor values_GNLP2;  // panels of channels: [G, D / 64, L / 2, 64, 2]; L rounded up
  int64_t L = 0, D = 0;

  const BFloat16* keys(int64_t g, int64_t key) const {
    return keys_GNDP2.const_data_ptr<BFloat16>() + (g * L + key) * D;
  }
  const BFloat16* values(int64_t g, int64_t channel, int64_t key) const {
    return values_GNLP2.const_data_ptr<BFloat16>() + (g * D + channel) * L + key * kPanel;
  }
};

Packed pack(const at::Tensor& k_LGD, const at::Tensor& v_LGD) {
  const int64_t L = k_LGD.size(0), G = k_LGD.size(1), D = k_LGD.size(2);
  Packed packed;
  packed.L = round_up(L, kPanel);
  packed.D = D;
  packed.keys_GNDP2 = at::empty({G * packed.L * D}, k_LGD.options());
  packed.values_GNLP2 = at::empty({G * packed.L * D}, v_LGD.options());
  const auto* k = k_LGD.const_data_ptr<BFloat16>();
  const auto* v = v_LGD.const_data_ptr<BFloat16>();
  at::parallel_for(0, G, 1, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      pack_transposed(k + g * k_LGD.stride(1), k_LGD.stride(0), L, D,
                      const_cast<BFloat16*>(packed.keys(g, 0)));
      pack_plain(v + g * v_LGD.stride(1), v_LGD.stride(0), L, D,
                 const_cast<BFloat16*>(packed.values(g, 0, 0)));
    }
  });
  return packed;
}

/// What one thread works in.
struct Workspace {
  explicit Workspace(int64_t D)
      : scores(kQueries * kKeys),
        weights(kQueries * kKeys),
        sums(kQueries * D),
        largest(kQueries),
        total(kQueries) {}
  std::vector<float> scores;
  std::vector<kernels::BFloat16> weights;
  std::vector<float> sums;  // [queries, D], weighted values
  std::vector<float> largest, total;
};

/// One block of queries of one head against all keys. @param log_sums  may be null
void attend(const BFloat16* q, int64_t q_stride, int64_t rows, const Packed& packed, int64_t g,
            int64_t L, Workspace& work, BFloat16* out, int64_t out_stride, float* log_sums) {
  const int64_t D = packed.D;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  std::ranges::fill(work.largest, -std::numeric_limits<float>::infinity());
  std::ranges::fill(work.total, 0.0f);
  std::ranges::fill(work.sums, 0.0f);
  for (int64_t key = 0; key < L; key += kKeys) {
    const int64_t keys = std::min(kKeys, L - key), padded = round_up(keys, kPanel);
    for (int64_t at = 0; at < padded; at += kPanel) {
      blas::brgemm(rows, kPanel, D, q_stride, kPanel, kKeys, /*add_C=*/false, q,
                   packed.keys(g, key + at), work.scores.data() + at);
    }
    softmax_block(work.scores.data(), kKeys, rows, keys, padded, scale, work.largest.data(),
                  work.total.data(), work.sums.data(), D, work.weights.data());
    for (int64_t channel = 0; channel < D; channel += kPanel) {
      blas::brgemm(rows, kPanel, padded, kKeys, kPanel, D, /*add_C=*/true,
                   reinterpret_cast<const BFloat16*>(work.weights.data()),
                   packed.values(g, channel, key), work.sums.data() + channel);
    }
  }
  for (int64_t row = 0; row < rows; ++row) {
    const float inverse = 1.0f / work.total[row];
    for (int64_t d = 0; d < D; ++d) out[row * out_stride + d] = work.sums[row * D + d] * inverse;
    if (log_sums) log_sums[row] = work.largest[row] + std::log(work.total[row]);
  }
}

bool is_plain(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 && x.device().is_cpu() && x.stride(2) == 1 &&
         x.size(2) % kPanel == 0;
}

}  // namespace

bool suits_blocked_attention(const at::Tensor& q_LHD, const at::Tensor& k_LGD,
                             const at::Tensor& v_LGD) {
  return has_native_bf16() && !has_bf16_tiles() && q_LHD.size(0) >= kQueries &&
         k_LGD.size(0) >= kPanel && is_plain(q_LHD) && is_plain(k_LGD) && is_plain(v_LGD);
}

at::Tensor blocked_attention(const at::Tensor& q_LHD, const at::Tensor& k_LGD,
                             const at::Tensor& v_LGD, const at::Tensor& log_sums_HL) {
  const int64_t L = q_LHD.size(0), H = q_LHD.size(1), D = q_LHD.size(2);
  const int64_t shared = H / k_LGD.size(1), blocks = round_up(L, kQueries) / kQueries;
  const Packed packed = pack(k_LGD, v_LGD);
  const at::Tensor out_LHD = at::empty({L, H * D}, q_LHD.options());
  const auto* q = q_LHD.const_data_ptr<BFloat16>();
  auto* out = out_LHD.mutable_data_ptr<BFloat16>();
  float* log_sums = log_sums_HL.defined() ? log_sums_HL.mutable_data_ptr<float>() : nullptr;
  at::parallel_for(0, H * blocks, 1, [&](int64_t begin, int64_t end) {
    Workspace work(D);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t h = i / blocks, first = i % blocks * kQueries;
      attend(q + first * q_LHD.stride(0) + h * q_LHD.stride(1), q_LHD.stride(0),
             std::min(kQueries, L - first), packed, h / shared, k_LGD.size(0), work,
             out + first * H * D + h * D, H * D, log_sums ? log_sums + h * L + first : nullptr);
    }
    blas::brgemm_release();
  });
  return out_LHD;
}

}  // namespace gesso::nn
