#include "runtime/low_rank.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <doctest/doctest.h>

using namespace gesso::runtime;

namespace {

at::Tensor noise(int64_t rows, int64_t columns) {
  static auto generator = at::make_generator<at::CPUGeneratorImpl>(1);
  return at::randn({rows, columns}, generator, at::kFloat);
}

double distance(const at::Tensor& matrix, const LowRank& found) {
  return (matrix - at::mm(found.up, found.down)).norm().item<double>();
}

/// The least distance that any matrix of the rank has.
double least(const at::Tensor& matrix, int64_t rank) {
  const auto [u, s, v] = at::linalg_svd(matrix, false);
  return s.narrow(0, rank, s.size(0) - rank).norm().item<double>();
}

}  // namespace

TEST_CASE("the nearest matrix of low rank is as near as singular values allow") {
  for (const auto& [rows, columns] : {std::pair{40, 60}, {60, 40}, {500, 300}}) {
    CAPTURE(rows);
    const at::Tensor matrix = noise(rows, columns) + at::mm(noise(rows, 5), noise(5, columns)) * 3;
    const LowRank found = nearest_of_rank(matrix, 8);
    CHECK(found.up.sizes() == at::IntArrayRef({rows, 8}));
    CHECK(found.down.sizes() == at::IntArrayRef({8, columns}));
    // The randomised method, of the large one, may miss a little of noise that has no structure.
    CHECK(distance(matrix, found) < least(matrix, 8) * 1.005);
  }
}

TEST_CASE("a matrix of low rank is found again, also by the randomised method") {
  const at::Tensor matrix = at::mm(noise(700, 6), noise(6, 400));
  CHECK(distance(matrix, nearest_of_rank(matrix, 6)) < 1e-5 * matrix.norm().item<double>());
}

TEST_CASE("a product is reduced without being made") {
  const at::Tensor up = noise(300, 12), down = noise(12, 500);
  const at::Tensor whole = at::mm(up, down);
  CHECK(distance(whole, nearest_of_rank(up, down, 12)) < 1e-5 * whole.norm().item<double>());
  CHECK(distance(whole, nearest_of_rank(up, down, 4)) < least(whole, 4) * 1.0001);
  const at::Tensor wide_up = noise(3, 12);  // more columns than rows
  const at::Tensor narrow = at::mm(wide_up, down);
  CHECK(distance(narrow, nearest_of_rank(wide_up, down, 3)) < 1e-5 * narrow.norm().item<double>());
}
