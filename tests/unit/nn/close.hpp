// Numbers to try a kernel with, and how near its results are to those of its plain version.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randn.h>

#include <vector>

#include <doctest/doctest.h>

inline at::Tensor noise(std::vector<int64_t> shape, at::ScalarType type, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator).to(type);
}

inline double max_rel(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor f = found.to(at::kDouble), e = expected.to(at::kDouble);
  return f.sub(e).abs().max().item<double>() / e.abs().max().item<double>();
}

/// Largest distance in units of one bf16 rounding of the expected number itself.
inline double worst_rounding(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor f = found.to(at::kDouble), e = expected.to(at::kDouble);
  return f.sub(e).abs().div(e.abs().clamp_min(1e-30)).max().item<double>() * 128;
}

inline constexpr at::ScalarType kTypes[] = {at::kFloat, at::kBFloat16};

/// Float32: sums in another order. Bf16: now and then the other neighbour, once per rounding.
inline void check_close(const at::Tensor& found, const at::Tensor& expected, int roundings) {
  REQUIRE(found.sizes() == expected.sizes());
  REQUIRE((found.scalar_type() == expected.scalar_type()));
  if (found.scalar_type() == at::kFloat) {
    CHECK(max_rel(found, expected) < 5e-7);
  } else {
    CHECK(worst_rounding(found, expected) <= roundings);
    const double changed = found.ne(expected).to(at::kDouble).mean().item<double>();
    CHECK(changed < 0.01);
  }
}
