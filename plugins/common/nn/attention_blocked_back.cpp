// The way back of blocked attention. Scores are made anew, block by block, with keys as rows, so
// that nothing but the keys themselves is ever turned around.
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/empty.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "nn/attention_blocked.hpp"
#include "nn/attention_panels.hpp"
#include "nn/kernels.hpp"

namespace gesso::nn {
namespace {

using at::BFloat16;
namespace blas = at::native::cpublas;

constexpr int64_t kSquare = kPanel * kPanel;

/// Rows of one head.
struct Rows {
  BFloat16* data;
  int64_t stride, count;

  BFloat16* at(int64_t row) const { return data + row * stride; }
};

Rows head_of(const at::Tensor& x_LHD, int64_t h) {
  return {x_LHD.mutable_data_ptr<BFloat16>() + h * x_LHD.stride(1), x_LHD.stride(0), x_LHD.size(0)};
}

const kernels::BFloat16* bits(const BFloat16* x) {
  return reinterpret_cast<const kernels::BFloat16*>(x);
}
kernels::BFloat16* bits(BFloat16* x) { return reinterpret_cast<kernels::BFloat16*>(x); }

/// One head; Q: queries, K: keys, both rounded up to panels.
class Head {
 public:
  Head(int64_t queries, int64_t keys, int64_t D)
      : Q_(round_up(queries, kPanel)),
        K_(round_up(keys, kPanel)),
        D_(D),
        q_DQ_(D * Q_),
        q_QD_(Q_ * D),
        g_DQ_(D * Q_),
        g_QD_(Q_ * D),
        k_DK_(D * K_),
        weights_(kSquare),
        score_grads_(kSquare),
        paired_(kSquare),
        scores_(kSquare),
        grads_(kSquare),
        deltas_(Q_),
        dk_(kPanel * D),
        dv_(kPanel * D),
        dq_DQ_(D * Q_) {}

  void run(const Rows& q, const Rows& k, const Rows& v, const Rows& out, const Rows& out_grad,
           const float* log_sums, const Rows& dq, const Rows& dk, const Rows& dv) {
    pack_transposed(q.data, q.stride, q.count, D_, q_DQ_.data());
    pack_plain(q.data, q.stride, q.count, D_, q_QD_.data());
    pack_transposed(out_grad.data, out_grad.stride, q.count, D_, g_DQ_.data());
    pack_plain(out_grad.data, out_grad.stride, q.count, D_, g_QD_.data());
    for (int64_t d = 0; d < D_; ++d) {
      for (int64_t i = 0; i < K_; ++i) {
        k_DK_[d * K_ + i] = i < k.count ? k.at(i)[d] : BFloat16(0);
      }
    }
    kernels::row_products(bits(out.data), bits(out_grad.data), out.stride, q.count, D_,
                          deltas_.data());
    std::ranges::fill(dq_DQ_, 0.0f);
    for (int64_t key = 0; key < k.count; key += kPanel) {
      keys(key, std::min(kPanel, k.count - key), q.count, k, v, log_sums);
      put(dk_, key, dk);
      put(dv_, key, dv);
    }
    for (int64_t i = 0; i < q.count; ++i) {
      for (int64_t d = 0; d < D_; ++d) dq.at(i)[d] = dq_DQ_[d * Q_ + i];
    }
  }

 private:
  /// A block of keys against all queries.
  void keys(int64_t key, int64_t rows, int64_t queries, const Rows& k, const Rows& v,
            const float* log_sums) {
    const float scale = 1.0f / std::sqrt(static_cast<float>(D_));
    std::ranges::fill(dk_, 0.0f);
    std::ranges::fill(dv_, 0.0f);
    for (int64_t query = 0; query < queries; query += kPanel) {
      blas::brgemm(rows, kPanel, D_, k.stride, kPanel, kPanel, /*add_C=*/false, k.at(key),
                   q_DQ_.data() + query * D_, scores_.data());
      blas::brgemm(rows, kPanel, D_, v.stride, kPanel, kPanel, /*add_C=*/false, v.at(key),
                   g_DQ_.data() + query * D_, grads_.data());
      kernels::attention_back_block(scores_.data(), grads_.data(), rows,
                                    std::min(kPanel, queries - query), scale, log_sums + query,
                                    deltas_.data() + query, bits(weights_.data()),
                                    bits(score_grads_.data()), bits(paired_.data()));
      for (int64_t d = 0; d < D_; d += kPanel) {
        const int64_t panel = d * Q_ + query * kPanel;
        blas::brgemm(kPanel, kPanel, kPanel, kPanel, kPanel, D_, /*add_C=*/true, weights_.data(),
                     g_QD_.data() + panel, dv_.data() + d);
        blas::brgemm(kPanel, kPanel, kPanel, kPanel, kPanel, D_, /*add_C=*/true,
                     score_grads_.data(), q_QD_.data() + panel, dk_.data() + d);
      }
      blas::brgemm(D_, kPanel, kPanel, K_, kPanel, Q_, /*add_C=*/true, k_DK_.data() + key,
                   paired_.data(), dq_DQ_.data() + query);
    }
  }
  void put(const std::vector<float>& block, int64_t first, const Rows& to) const {
    for (int64_t i = 0; i < std::min(kPanel, to.count - first); ++i) {
      std::copy_n(block.data() + i * D_, D_, to.at(first + i));
    }
  }

  int64_t Q_, K_, D_;
  std::vector<BFloat16> q_DQ_, q_QD_, g_DQ_, g_QD_;       // right sides
  std::vector<BFloat16> k_DK_;                            // keys turned around
  std::vector<BFloat16> weights_, score_grads_, paired_;  // of a block
  std::vector<float> scores_, grads_, deltas_, dk_, dv_, dq_DQ_;
};

}  // namespace

AttentionGrads blocked_attention_back(const at::Tensor& q_LHD, const at::Tensor& k_LHD,
                                      const at::Tensor& v_LHD, const at::Tensor& out,
                                      const at::Tensor& log_sums_HL, const at::Tensor& out_grad) {
  const int64_t H = q_LHD.size(1), D = q_LHD.size(2);
  const auto like = [](const at::Tensor& x) { return at::empty(x.sizes(), x.options()); };
  AttentionGrads grads{like(q_LHD), like(k_LHD), like(v_LHD)};
  const at::Tensor out_LHD = out.contiguous().view(q_LHD.sizes());
  const at::Tensor grad_LHD = out_grad.contiguous().view(q_LHD.sizes());
  at::parallel_for(0, H, 1, [&](int64_t begin, int64_t end) {
    Head head(q_LHD.size(0), k_LHD.size(0), D);
    for (int64_t h = begin; h < end; ++h) {
      head.run(head_of(q_LHD, h), head_of(k_LHD, h), head_of(v_LHD, h), head_of(out_LHD, h),
               head_of(grad_LHD, h), log_sums_HL.const_data_ptr<float>() + h * q_LHD.size(0),
               head_of(grads.q_LHD, h), head_of(grads.k_LHD, h), head_of(grads.v_LHD, h));
    }
    blas::brgemm_release();
  });
  return grads;
}

}  // namespace gesso::nn
