// The nearest matrices of low rank.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

namespace gesso::runtime {

/// down [rank, in] and up [out, rank], float32: up @ down is the product of this rank that is
/// nearest to a matrix. The singular values are shared out evenly. `rank` is at most the lesser
/// extent.
struct LowRank {
  at::Tensor down, up;
};

/// Of a matrix [out, in]. Large ones by a randomised method (Halko, Martinsson, Tropp 2011, with
/// power iterations and a fixed seed), which costs a few products with `rank` columns.
LowRank nearest_of_rank(const at::Tensor& matrix, int64_t rank);

/// Of the product up [out, n] @ down [n, in], which is never made: exact.
LowRank nearest_of_rank(const at::Tensor& up, const at::Tensor& down, int64_t rank);

}  // namespace gesso::runtime
