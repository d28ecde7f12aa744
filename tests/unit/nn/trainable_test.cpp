#include "nn/trainable.hpp"

#include <doctest/doctest.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>
#include <vector>

#include "gesso/cpp/training_torch.hpp"

using namespace gesso;
namespace t = gesso::nn::trainable;

namespace {

using Tensors = std::vector<at::Tensor>;
using Layer = std::function<at::Tensor(const Tensors&)>;

at::Tensor random(std::vector<int64_t> shape, uint64_t seed, at::ScalarType type) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::empty(shape, at::kFloat).normal_(0, 1, generator).to(type);
}

at::Tensor plain_norm(const at::Tensor& x, const at::Tensor& w) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor r = at::rsqrt(at::mean(wide.square(), {-1}, true).add(1e-5));
  return wide.mul(r).to(x.scalar_type()).mul(w);
}

at::Tensor plain_turn(const at::Tensor& x, const nn::Rotary& rotary) {
  const at::Tensor pairs = x.to(at::kFloat).unflatten(-1, {-1, 2});
  const at::Tensor re = pairs.select(-1, 0), im = pairs.select(-1, 1);
  const at::Tensor cos = rotary.cos.unsqueeze(1), sin = rotary.sin.unsqueeze(1);
  return at::stack({re.mul(cos).sub(im.mul(sin)), re.mul(sin).add(im.mul(cos))}, -1)
      .flatten(-2)
      .to(x.scalar_type());
}

/// Result and gradients of a layer for inputs of the given shapes.
Tensors run(const Layer& layer, const std::vector<std::vector<int64_t>>& shapes,
            at::ScalarType type) {
  Tensors inputs;
  for (size_t i = 0; i < shapes.size(); ++i) {
    inputs.push_back(random(shapes[i], 10 + i, type).requires_grad_(true));
  }
  const at::Tensor y = layer(inputs);
  const at::Tensor dy = random(y.sizes().vec(), 99, type);
  Tensors all = ::torch::autograd::grad({y}, inputs, {dy});
  all.push_back(y.detach());
  return all;
}

/// Both layers give the same, and have the same gradients.
void check_same(const Layer& fast, const Layer& plain,
                const std::vector<std::vector<int64_t>>& shapes) {
  for (const auto& [type, tolerance] :
       {std::pair(at::kFloat, 1e-5), std::pair(at::kBFloat16, 2e-2)}) {
    const Tensors found = run(fast, shapes, type), expected = run(plain, shapes, type);
    for (size_t i = 0; i < found.size(); ++i) {
      CAPTURE(i);
      const at::Tensor e = expected[i].to(at::kFloat);
      CHECK((found[i].scalar_type() == type));
      const double size = e.abs().max().item<double>();
      CHECK(found[i].to(at::kFloat).sub(e).abs().max().item<double>() <= tolerance * size);
    }
  }
}

}  // namespace

TEST_CASE("RMSNorm: result and gradients as by torch's own operations") {
  check_same([](const Tensors& in) { return t::rms_norm(in[0], in[1], 1e-5); },
             [](const Tensors& in) { return plain_norm(in[0], in[1]); }, {{2, 19, 40}, {40}});
}

TEST_CASE("RMSNorm with a scale per item") {
  check_same([](const Tensors& in) { return t::rms_norm(in[0], in[1], 1e-5, in[2]); },
             [](const Tensors& in) { return plain_norm(in[0], in[1]).mul(in[2]); },
             {{3, 19, 40}, {40}, {3, 1, 40}});
}

TEST_CASE("RMSNorm with a scale per row") {
  check_same([](const Tensors& in) { return t::rms_norm(in[0], in[1], 1e-5, in[2]); },
             [](const Tensors& in) { return plain_norm(in[0], in[1]).mul(in[2]); },
             {{1, 19, 40}, {40}, {1, 19, 40}});
}

TEST_CASE("gated RMSNorm is added to what there was") {
  check_same(
      [](const Tensors& in) { return t::add_gated_rms_norm(in[0], in[1], in[2], 1e-5, in[3]); },
      [](const Tensors& in) { return in[0].add(plain_norm(in[1], in[2]).mul(in[3])); },
      {{2, 7, 24}, {2, 7, 24}, {24}, {2, 1, 24}});
}

TEST_CASE("norm and rotation of heads") {
  const at::Tensor angle = at::arange(0, 9 * 6, at::kFloat).view({9, 6}).mul(0.1);
  const nn::Rotary rotary{angle.cos(), angle.sin()};
  check_same([&](const Tensors& in) { return t::head_norm_rotate(in[0], in[1], 1e-5, rotary); },
             [&](const Tensors& in) { return plain_turn(plain_norm(in[0], in[1]), rotary); },
             {{2, 9, 3, 12}, {12}});
}

TEST_CASE("the gate of the feed-forward") {
  check_same([](const Tensors& in) { return t::silu_multiply(in[0], in[1]); },
             [](const Tensors& in) { return at::silu(in[0]).mul(in[1]); },
             {{2, 9, 33}, {2, 9, 33}});
}

TEST_CASE("a linear layer with bias and two updates") {
  const auto weight = [](const Tensors& in) {
    gesso::torch::Weight made;
    made.data = in[1];
    made.deltas = {{in[3], in[4], 0.5}, {in[5], in[6], -2.0}};
    return made;
  };
  check_same([&](const Tensors& in) { return t::linear(in[0], weight(in), in[2]); },
             [](const Tensors& in) {
               const auto wide = [&](size_t i) { return in[i].to(at::kFloat); };
               const at::Tensor x = wide(0);
               return at::linear(x, wide(1), wide(2))
                   .add(x.matmul(wide(3).t()).matmul(wide(4).t()).mul(0.5))
                   .add(x.matmul(wide(5).t()).matmul(wide(6).t()).mul(-2.0))
                   .to(in[0].scalar_type());
             },
             {{2, 9, 20}, {30, 20}, {30}, {3, 20}, {30, 3}, {2, 20}, {30, 2}});
}

TEST_CASE("attention of every token to all others") {
  for (const auto& [L, K] : {std::pair(37, 16), std::pair(64, 64), std::pair(201, 128)}) {
    check_same([](const Tensors& in) { return t::attention(in[0], in[1], in[2]); },
               [](const Tensors& in) {
                 const auto wide = [&](size_t i) { return in[i].to(at::kFloat).transpose(1, 2); };
                 const double scale = 1 / std::sqrt(static_cast<double>(in[0].size(3)));
                 const at::Tensor weights =
                     wide(0).matmul(wide(1).transpose(2, 3)).mul(scale).softmax(-1);
                 return weights.matmul(wide(2)).transpose(1, 2).flatten(2).to(in[0].scalar_type());
               },
               {{2, L, 3, K}, {2, L, 3, K}, {2, L, 3, K}});
  }
}

TEST_CASE("an update for one item of a batch cannot be trained with") {
  gesso::torch::Weight weight;
  weight.data = random({4, 4}, 1, at::kFloat);
  weight.deltas = {{random({1, 4}, 2, at::kFloat), random({4, 1}, 3, at::kFloat), 1.0, 1}};
  CHECK_THROWS_WITH(t::linear(random({2, 4}, 4, at::kFloat), weight),
                    doctest::Contains("some items"));
}
