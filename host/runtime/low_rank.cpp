#include "runtime/low_rank.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

#include <algorithm>

namespace gesso::runtime {
namespace {

constexpr int64_t kOversampling = 16;
constexpr int kPowerIterations = 4;
constexpr uint64_t kSeed = 0;
constexpr int64_t kSmall = 256;  // up to this extent all singular values are computed

at::Tensor basis_of(const at::Tensor& matrix) {
  return std::get<0>(at::linalg_qr(matrix, "reduced"));
}

/// left @ (u s v) @ right, cut to the rank.
LowRank cut(const at::Tensor& middle, int64_t rank, const at::Tensor& left,
            const at::Tensor& right) {
  const auto [u, s, v] = at::linalg_svd(middle, /*full_matrices=*/false);
  const at::Tensor root = s.narrow(0, 0, rank).sqrt();
  at::Tensor up = u.narrow(1, 0, rank) * root;
  at::Tensor down = v.narrow(0, 0, rank) * root.unsqueeze(1);
  if (left.defined()) up = at::mm(left, up);
  if (right.defined()) down = at::mm(down, right);
  return {down.contiguous(), up.contiguous()};
}

}  // namespace

LowRank nearest_of_rank(const at::Tensor& matrix, int64_t rank) {
  const int64_t extent = std::min(matrix.size(0), matrix.size(1));
  const int64_t columns = rank + kOversampling;
  if (extent <= kSmall || 2 * columns >= extent) return cut(matrix, rank, {}, {});
  auto generator = at::make_generator<at::CPUGeneratorImpl>(kSeed);
  at::Tensor basis =
      basis_of(at::mm(matrix, at::randn({matrix.size(1), columns}, generator, at::kFloat)));
  for (int i = 0; i < kPowerIterations; ++i) {
    basis = basis_of(at::mm(matrix, basis_of(at::mm(matrix.t(), basis))));
  }
  return cut(at::mm(basis.t(), matrix), rank, basis, {});
}

LowRank nearest_of_rank(const at::Tensor& up, const at::Tensor& down, int64_t rank) {
  const auto [q_up, r_up] = at::linalg_qr(up, "reduced");
  const auto [q_down, r_down] = at::linalg_qr(down.t(), "reduced");
  return cut(at::mm(r_up, r_down.t()), rank, q_up, q_down.t());
}

}  // namespace gesso::runtime
