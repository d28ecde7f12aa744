// Layers over pictures: convolutions, and GroupNorm with silu.
#include <ATen/ops/conv2d.h>
#include <ATen/ops/full.h>

#include <cmath>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "close.hpp"
#include "nn/convolution.hpp"
#include "nn/cpu_features.hpp"
#include "nn/group_norm.hpp"

using namespace gesso;

TEST_CASE("conv2d computes in the type that is fast here") {
  const at::Tensor x = noise({1, 4, 9, 7}, at::kFloat, 1), w = noise({6, 4, 3, 3}, at::kFloat, 2),
                   b = noise({6}, at::kFloat, 3);
  const at::Tensor expected = at::conv2d(x, w, b, {2, 2}, {1, 1});
  CHECK(max_rel(nn::conv2d(x, w, b, 2, 1), expected) < 1e-6);
  const at::Tensor half = nn::conv2d(x, w.to(at::kBFloat16), b.to(at::kBFloat16), 2, 1);
  CHECK((half.scalar_type() == (nn::has_native_bf16() ? at::kBFloat16 : at::kFloat)));
  CHECK(max_rel(half, expected) < 0.02);
}

TEST_CASE("a convolution of the doubled picture equals the plain one, at its edges, too") {
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 5}, {8, 6}, {17, 33}}) {
    CAPTURE(width);
    const at::Tensor x = noise({2, 16, height, width}, at::kFloat, 1),
                     w = noise({24, 16, 3, 3}, at::kFloat, 2), b = noise({24}, at::kFloat, 3);
    const at::Tensor expected = nn::doubled_conv2d_plain(x, w, b);
    REQUIRE(expected.size(3) == 2 * width);
    CHECK(max_rel(nn::doubled_conv2d(x, w, b), expected) < 1e-6);
    const auto half = [](const at::Tensor& t) { return t.to(at::kBFloat16); };
    const at::Tensor found = nn::doubled_conv2d(half(x), half(w), half(b));
    CHECK((found.scalar_type() == nn::convolution_type(at::kBFloat16)));
    CHECK(max_rel(found, expected) < 0.02);
  }
}

TEST_CASE("where autograd watches, the picture is doubled") {
  const at::Tensor x = noise({1, 4, 3, 3}, at::kFloat, 1), b = noise({4}, at::kFloat, 3);
  const at::Tensor w = noise({4, 4, 3, 3}, at::kFloat, 2).requires_grad_();
  CHECK(nn::doubled_conv2d(x, w, b).requires_grad());
  const at::Tensor scale = noise({4}, at::kFloat, 4).requires_grad_();
  const at::Tensor last = x.contiguous(at::MemoryFormat::ChannelsLast);
  CHECK(nn::group_norm_silu(last, 2, scale, b, 1e-6).requires_grad());
}

TEST_CASE("group_norm_silu is as near to float64 as its plain version, in every order of memory") {
  for (const at::ScalarType type : kTypes) {
    for (const auto& [C, groups, side] : {std::tuple{4, 2, 3}, {96, 32, 20}, {128, 32, 70}}) {
      for (const auto order : {at::MemoryFormat::ChannelsLast, at::MemoryFormat::Contiguous}) {
        CAPTURE(std::string(at::toString(type)));
        CAPTURE(C);
        const at::Tensor x = noise({1, C, side, side + 1}, type, 1).mul(3).add(5).contiguous(order);
        const at::Tensor w = noise({C}, type, 2), b = noise({C}, type, 3);
        const at::Tensor exact = nn::group_norm_silu_plain(x.to(at::kDouble), groups, w, b, 1e-6);
        const at::Tensor plain = nn::group_norm_silu_plain(x, groups, w, b, 1e-6);
        const at::Tensor found = nn::group_norm_silu(x, groups, w, b, 1e-6);
        REQUIRE((found.scalar_type() == type));
        const double worst = max_rel(plain, exact);
        CHECK(worst < (type == at::kFloat ? 5e-6 : 0.01));
        CHECK(max_rel(found, exact) < 1.2 * worst);
      }
    }
  }
}

TEST_CASE("group_norm_silu of equal numbers is silu of the bias, and NaN spreads over its group") {
  at::Tensor x = at::full({1, 8, 40, 40}, 1000.5f).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor w = at::full({8}, 1.0f), b = at::full({8}, 2.0f);
  const float expected = 2.0f / (1.0f + std::exp(-2.0f));
  const at::Tensor flat = nn::group_norm_silu(x, 2, w, b, 1.0);
  CHECK(flat.sub(expected).abs().max().item<float>() < 1e-3);
  x[0][1][7][7] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor y = nn::group_norm_silu(x, 2, w, b, 1e-6);
  CHECK(y.narrow(1, 0, 4).isnan().all().item<bool>());
  CHECK_FALSE(y.narrow(1, 4, 4).isnan().any().item<bool>());
}
