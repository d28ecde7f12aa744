// Each fused kernel against its plain version.
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "close.hpp"
#include "gesso/cpp/error.hpp"
#include "nn/activation.hpp"
#include "nn/attention.hpp"
#include "nn/attention_blocked.hpp"
#include "nn/cpu_features.hpp"
#include "nn/norm.hpp"
#include "nn/rotary.hpp"

using namespace gesso;

TEST_CASE("rms_norm equals its plain version, with and without a scale, at any width") {
  for (const at::ScalarType type : kTypes) {
    for (const int64_t D : {1, 7, 16, 48, 129, 3840}) {
      CAPTURE(std::string(at::toString(type)));
      CAPTURE(D);
      const at::Tensor x = noise({5, D}, type, 1).mul(3), w = noise({D}, type, 2);
      const at::Tensor scale = noise({D}, type, 3);
      check_close(nn::rms_norm(x, w, 1e-5), nn::rms_norm_plain(x, w, 1e-5), 2);
      check_close(nn::rms_norm(x, w, 1e-5, scale), nn::rms_norm_plain(x, w, 1e-5, scale), 3);
    }
  }
}

TEST_CASE("rms_norm takes rows with strides and leaves its input alone") {
  const at::Tensor wide = noise({6, 64}, at::kFloat, 1), w = noise({32}, at::kFloat, 2);
  const at::Tensor x = wide.narrow(1, 16, 32), before = x.clone();
  CHECK(at::equal(nn::rms_norm(x, w, 1e-5), nn::rms_norm(x.contiguous(), w, 1e-5)));
  CHECK(at::equal(x, before));
}

TEST_CASE("rms_norm of zeros is zero, and NaN stays NaN") {
  const at::Tensor w = at::full({32}, 1.0, at::kBFloat16);
  CHECK(nn::rms_norm(at::zeros({2, 32}, at::kBFloat16), w, 1e-5).eq(0).all().item<bool>());
  at::Tensor x = at::full({1, 32}, 1.0, at::kBFloat16);
  x[0][3].fill_(std::nan(""));
  CHECK(nn::rms_norm(x, w, 1e-5).isnan().all().item<bool>());
}

TEST_CASE("a norm refuses weights of another type") {
  const at::Tensor x = noise({2, 32}, at::kBFloat16, 1), w = noise({32}, at::kFloat, 2);
  CHECK_THROWS_WITH_AS(nn::rms_norm(x, w, 1e-5), doctest::Contains("one type"), gesso::Error);
}

TEST_CASE("add_gated_rms_norm equals its plain version") {
  for (const at::ScalarType type : kTypes) {
    for (const int64_t D : {7, 64, 3840}) {
      for (const bool gated : {false, true}) {
        CAPTURE(std::string(at::toString(type)));
        CAPTURE(D);
        const at::Tensor y = noise({9, D}, type, 1), w = noise({D}, type, 2);
        const at::Tensor gate = gated ? noise({D}, type, 3).tanh() : at::Tensor();
        at::Tensor fused = noise({9, D}, type, 4).add(4), plain = fused.clone();
        nn::add_gated_rms_norm_(fused, y, w, 1e-5, gate);
        nn::add_gated_rms_norm_plain_(plain, y, w, 1e-5, gate);
        if (type == at::kFloat) {
          CHECK(max_rel(fused, plain) < 5e-7);
        } else {
          CHECK(max_rel(fused, plain) < 1.0 / 128);
          CHECK(fused.ne(plain).to(at::kDouble).mean().item<double>() < 0.01);
        }
      }
    }
  }
}

TEST_CASE("head_norm_rotate equals its plain version") {
  for (const at::ScalarType type : kTypes) {
    CAPTURE(std::string(at::toString(type)));
    const int64_t L = 11, H = 3;
    for (const int64_t D : {2, 32, 128, 600}) {
      CAPTURE(D);
      const nn::Rotary rotary{noise({L, D / 2}, at::kFloat, 5).cos(),
                              noise({L, D / 2}, at::kFloat, 5).sin()};
      const at::Tensor w = noise({D}, type, 2);
      at::Tensor x = noise({L, H, D}, type, 1);
      const at::Tensor plain = nn::head_norm_rotate_plain(x, w, 1e-5, rotary);
      nn::head_norm_rotate_(x, w, 1e-5, rotary);
      if (type == at::kFloat) {
        CHECK(max_rel(x, plain) < 5e-7);
      } else {
        CHECK(max_rel(x, plain) < 1.0 / 128);
        CHECK(x.ne(plain).to(at::kDouble).mean().item<double>() < 0.01);
      }
    }
  }
}

TEST_CASE("rotation keeps norms, and position 0 changes nothing") {
  const std::vector<int64_t> axes{8, 12, 12};
  at::Tensor positions = at::zeros({4, 3}, at::kInt);
  positions[2].fill_(5);
  positions[3].fill_(200);
  const nn::Rotary rotary = nn::rotary_table(positions, axes, 256.0);
  const at::Tensor ones = at::full({32}, 1.0, at::kFloat);
  at::Tensor x = noise({4, 2, 32}, at::kFloat, 1);
  const at::Tensor normed = nn::rms_norm(x, ones, 1e-5);
  nn::head_norm_rotate_(x, ones, 1e-5, rotary);
  CHECK(at::equal(x[0], normed[0]));
  CHECK(max_rel(x.norm(2, -1), normed.norm(2, -1)) < 1e-6);
}

TEST_CASE("rotate_halves turns the pair of halves") {
  const nn::Rotary quarter{at::zeros({1, 2}), at::full({1, 2}, 1.0)};
  const at::Tensor x = at::arange(4, at::kFloat).reshape({1, 1, 4});
  const at::Tensor turned = nn::rotate_halves(x, quarter).flatten();
  CHECK(turned[0].item<float>() == -2.0f);
  CHECK(turned[1].item<float>() == -3.0f);
  CHECK(turned[2].item<float>() == 0.0f);
  CHECK(turned[3].item<float>() == 1.0f);
}

TEST_CASE("silu_multiply equals its plain version, also far from zero") {
  const at::Tensor far = at::arange(-120, 120, 0.37, at::kFloat);
  for (const at::ScalarType type : kTypes) {
    CAPTURE(std::string(at::toString(type)));
    for (const at::Tensor& from : {noise({3, 333}, type, 1).mul(4), far.to(type)}) {
      const at::Tensor b = noise(from.sizes().vec(), type, 2);
      at::Tensor a = from.clone();
      nn::silu_multiply_(a, b);
      check_close(a, nn::silu_multiply_plain(from, b), 2);
    }
  }
}

TEST_CASE("attention equals softmax(q k^T) v, with shared keys and a causal mask") {
  const int64_t L = 13, H = 4, G = 2, D = 8;
  const at::Tensor q = noise({L, H, D}, at::kFloat, 1), k = noise({L, G, D}, at::kFloat, 2),
                   v = noise({L, G, D}, at::kFloat, 3);
  for (const bool causal : {false, true}) {
    const at::Tensor found = nn::attention(q, k, v, causal);
    std::vector<at::Tensor> heads;
    for (int64_t h = 0; h < H; ++h) {
      const int64_t g = h / (H / G);
      at::Tensor scores = q.select(1, h).matmul(k.select(1, g).t()).div(std::sqrt(double(D)));
      if (causal) {
        scores.masked_fill_(at::full({L, L}, true).triu(1),
                            -std::numeric_limits<double>::infinity());
      }
      heads.push_back(scores.softmax(-1).matmul(v.select(1, g)));
    }
    CHECK(max_rel(found, at::cat(heads, 1)) < 1e-6);
  }
}

TEST_CASE("blocked attention is as near to float32 as libtorch's in bf16") {
  struct Shape {
    int64_t queries, keys, H, G, D;
  };
  for (const auto [queries, keys, H, G, D] :
       {Shape{1, 1, 1, 1, 64}, Shape{65, 63, 2, 1, 128}, Shape{64, 513, 3, 3, 64},
        Shape{200, 1056, 4, 2, 128}, Shape{130, 1600, 1, 1, 192}}) {
    CAPTURE(keys);
    const at::Tensor q = noise({queries, H, D}, at::kBFloat16, 1).mul(4),
                     k = noise({keys, G, D}, at::kBFloat16, 2).mul(4),
                     v = noise({keys, G, D}, at::kBFloat16, 3);
    const auto heads_first = [](const at::Tensor& t) { return t.unsqueeze(0).transpose(1, 2); };
    const auto plain = [&](at::ScalarType type) {
      return at::scaled_dot_product_attention(heads_first(q.to(type)), heads_first(k.to(type)),
                                              heads_first(v.to(type)), {}, 0.0, false, {}, H != G)
          .transpose(1, 2)
          .squeeze(0)
          .flatten(1);
    };
    const at::Tensor exact = plain(at::kFloat);
    CHECK(max_rel(nn::blocked_attention(q, k, v), exact) <
          1.5 * max_rel(plain(at::kBFloat16), exact) + 1e-3);
    // Heads that lie apart, as in a product of q, k and v in one.
    const at::Tensor wide = at::cat({k, k}, 2).narrow(2, D, D);
    CHECK(nn::blocked_attention(q, wide, v).equal(nn::blocked_attention(q, k, v)));
  }
}

TEST_CASE("blocked attention shows numbers that are none") {
  const at::Tensor q = noise({70, 1, 64}, at::kBFloat16, 1), v = q.clone();
  at::Tensor k = q.clone();
  k[69][0][5] = std::numeric_limits<float>::quiet_NaN();
  CHECK(nn::blocked_attention(q, k, v).isnan().all().item<bool>());
}
