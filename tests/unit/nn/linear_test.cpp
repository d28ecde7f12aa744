// nn::linear: widened products against plain ones, and low-rank updates.
#include <ATen/ops/amax.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <doctest/doctest.h>

#include "close.hpp"
#include "nn/linear.hpp"
#include "nn/linear_narrow.hpp"

using namespace gesso;

TEST_CASE("a widened product equals the plain one up to one rounding, for weights of any size") {
  for (const auto& [rows, in, out] :
       {std::tuple{1, 8, 3}, {7, 64, 129}, {33, 1024, 5000}, {600, 64, 129}}) {
    for (const bool biased : {false, true}) {
      CAPTURE(out);
      const at::Tensor x = noise({rows, in}, at::kBFloat16, 1);
      const at::Tensor w = noise({out, in}, at::kBFloat16, 2);
      const at::Tensor bias = biased ? noise({out}, at::kBFloat16, 3) : at::Tensor();
      const at::Tensor found = nn::linear_widened(x, w, bias), plain = nn::linear_plain(x, w, bias);
      REQUIRE(found.sizes() == plain.sizes());
      CHECK((found.scalar_type() == at::kBFloat16));
      CHECK(max_rel(found, plain) <= 1.0 / 256);
      CHECK(found.ne(plain).to(at::kDouble).mean().item<double>() < 0.001);
    }
  }
}

TEST_CASE("leading axes of the input stay") {
  const at::Tensor x = noise({2, 3, 16}, at::kBFloat16, 1), w = noise({4, 16}, at::kBFloat16, 2);
  CHECK(nn::linear_widened(x, w, {}).sizes() == at::IntArrayRef({2, 3, 4}));
  CHECK(nn::linear(x, {w, {}}).sizes() == at::IntArrayRef({2, 3, 4}));
}

TEST_CASE("a low-rank update adds scale * (x A^T) B^T for its items only") {
  const at::Tensor x = noise({5, 16}, at::kFloat, 1), w = noise({8, 16}, at::kFloat, 2);
  const at::Tensor a = noise({2, 16}, at::kFloat, 3), b = noise({8, 2}, at::kFloat, 4);
  const nn::Weight plain{w, {}}, updated{w, {{a, b, 0.7, 0b10}}};
  CHECK(at::equal(nn::linear(x, updated, {}, 0), nn::linear(x, plain)));
  const at::Tensor fused = w.add(b.matmul(a), 0.7);
  CHECK(max_rel(nn::linear(x, updated, {}, 1), nn::linear(x, {fused, {}})) < 1e-6);
}

TEST_CASE("updates add up in bf16, too, and scale 0 gives the earlier bits") {
  const at::Tensor x = noise({5, 64}, at::kBFloat16, 1), w = noise({8, 64}, at::kBFloat16, 2);
  const at::Tensor a = noise({2, 64}, at::kFloat, 3), b = noise({8, 2}, at::kFloat, 4);
  const nn::Weight plain{w, {}};
  CHECK(at::equal(nn::linear(x, {w, {{a, b, 0.0}}}), nn::linear(x, plain)));
  const at::Tensor twice = nn::linear(x, {w, {{a, b, 0.5}, {a, b, 0.5}}});
  const at::Tensor once = nn::linear(x, {w, {{a, b, 1.0}}});
  CHECK(max_rel(twice, once) < 0.02);
}

TEST_CASE("int8 products are exact sums of int8 numbers, whoever makes them") {
  for (const auto& [rows, in, out] : {std::tuple{1, 8, 3}, {7, 64, 129}, {40, 1024, 96}}) {
    CAPTURE(in);
    const at::Tensor x = noise({rows, in}, at::kFloat, 1);
    const at::Tensor w = noise({out, in}, at::kFloat, 2), bias = noise({out}, at::kFloat, 3);
    const at::Tensor scale = at::amax(w.abs(), {1}).div(127);
    const at::Tensor codes = w.div(scale.unsqueeze(1)).round().to(at::kChar);
    const at::Tensor x_scale = at::amax(x.abs(), {1}, true).div(127);
    const at::Tensor x_codes = x.div(x_scale).round();
    const at::Tensor sums = at::mm(x_codes.to(at::kDouble), codes.to(at::kDouble).t());
    const at::Tensor exact = sums.mul(x_scale).mul(scale).add(bias);
    CHECK(max_rel(nn::linear_int8_onednn(x, codes, scale, bias), exact) < 1e-6);
    CHECK(max_rel(nn::linear_int8_plain(x, codes, scale, bias), exact) < 1e-6);
    CHECK(max_rel(nn::linear_int8(x, codes, scale, bias), nn::linear(x, {w, {}}, bias)) < 0.02);
  }
  const at::Tensor zeros = at::zeros({2, 8}), w = at::ones({3, 8}, at::kChar);
  CHECK(nn::linear_int8_plain(zeros, w, at::ones({3}), {}).abs().max().item<float>() == 0);
}

TEST_CASE("int8 products in bf16 are rounded once, and what is no number stays none") {
  const at::Tensor x = noise({6, 64}, at::kBFloat16, 1), w = noise({129, 64}, at::kFloat, 2);
  const at::Tensor bias = noise({129}, at::kBFloat16, 3);
  const at::Tensor scale = at::amax(w.abs(), {1}).div(127);
  const at::Tensor codes = w.div(scale.unsqueeze(1)).round().to(at::kChar);
  const at::Tensor plain = nn::linear_int8_plain(x, codes, scale, bias);
  CHECK((plain.scalar_type() == at::kBFloat16));
  CHECK(max_rel(nn::linear_int8_onednn(x, codes, scale, bias), plain) < 0.005);
  CHECK(at::equal(nn::linear(x, {codes, {}, scale}, bias), nn::linear_int8(x, codes, scale, bias)));
  for (const float bad : {NAN, INFINITY}) {
    at::Tensor broken = x.clone();
    broken[2][5] = bad;
    const at::Tensor y = nn::linear_int8_onednn(broken, codes, scale, bias);
    CHECK(y[2].isnan().all().item<bool>());
    CHECK(at::equal(y[1], nn::linear_int8_onednn(x, codes, scale, bias)[1]));
  }
}

TEST_CASE("updates are added to products in int8 and fp8, too") {
  const at::Tensor x = noise({5, 64}, at::kBFloat16, 1), w = noise({8, 64}, at::kFloat, 2);
  const at::Tensor a = noise({2, 64}, at::kFloat, 3), b = noise({8, 2}, at::kFloat, 4);
  const at::Tensor update = at::mm(at::mm(x.to(at::kFloat), a.t()), b.t());
  const at::Tensor scale = at::amax(w.abs(), {1}).div(127);
  const at::Tensor int8 = w.div(scale.unsqueeze(1)).round().to(at::kChar);
  const at::Tensor fp8 = w.to(at::kFloat8_e4m3fn);
  const std::vector<nn::Delta> deltas{{a, b, 1.0}};
  const at::Tensor plain8 = nn::linear_int8(x, int8, scale, {}).to(at::kFloat);
  CHECK(max_rel(nn::linear_int8(x, int8, scale, {}, deltas), plain8.add(update)) < 0.01);
  const at::Tensor plain = nn::linear_fp8(x, fp8, {}).to(at::kFloat);
  CHECK(max_rel(nn::linear_fp8(x, fp8, {}, deltas), plain.add(update)) < 0.01);
}
