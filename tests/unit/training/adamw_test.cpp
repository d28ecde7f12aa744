#include <doctest/doctest.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <vector>

#include "runtime/training/adamw.hpp"
#include "runtime/training/blockwise8.hpp"

using namespace gesso;
using runtime::Parameter;

namespace {

config::OptimizerPlan plan_of(config::OptimizerPlan::States states, double decay = 0) {
  config::OptimizerPlan plan;
  plan.states = states;
  plan.weight_decay = decay;
  return plan;
}

at::Tensor random(std::vector<int64_t> shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::empty(shape, at::kFloat).normal_(0, 1, generator);
}

using States = config::OptimizerPlan::States;
using Shape = config::SchedulePlan::Shape;

}  // namespace

TEST_CASE("the first step of AdamW moves each number by the rate, against its gradient") {
  Parameter p{"w", at::tensor({1.0f, -2.0f, 3.0f}), at::tensor({0.5f, -0.1f, 7.0f})};
  runtime::AdamW optimizer({&p}, plan_of(States::F32));
  optimizer.step(0.01);
  const at::Tensor expected = at::tensor({0.99f, -1.99f, 2.99f});
  CHECK((p.value.sub(expected)).abs().max().item<float>() < 1e-6);
}

TEST_CASE("weight decay pulls towards zero, whatever the gradient") {
  Parameter p{"w", at::full({1}, 2.0, at::kFloat), at::zeros({1}, at::kFloat)};
  runtime::AdamW optimizer({&p}, plan_of(States::F32, 0.5));
  optimizer.step(0.1);
  CHECK(p.value.item<float>() == doctest::Approx(2.0 * (1 - 0.1 * 0.5)));
}

TEST_CASE("a parameter without gradient stays, and its steps are not counted") {
  Parameter p{"w", at::full({3}, 2.0, at::kFloat)};
  runtime::AdamW optimizer({&p}, plan_of(States::F32, 0.5));
  optimizer.step(0.1);
  CHECK(p.value.min().item<float>() == 2.0f);
  CHECK(optimizer.states()[0].steps == 0);
}

TEST_CASE("states of 8 bits lead nearly the same way as those of 32") {
  const at::Tensor start = random({1000}, 1);
  Parameter wide{"w", start.clone()}, narrow{"w", start.clone()};
  runtime::AdamW exact({&wide}, plan_of(States::F32)), coded({&narrow}, plan_of(States::Bits8));
  for (uint64_t step = 0; step < 20; ++step) {
    const at::Tensor grad = random({1000}, 100 + step).add(0.5);
    wide.grad = grad.clone();
    narrow.grad = grad.clone();
    exact.step(0.01);
    coded.step(0.01);
  }
  const double way = wide.value.sub(start).norm().item<double>();
  CHECK(way > 1);
  CHECK(narrow.value.sub(wide.value).norm().item<double>() < 0.05 * way);
}

TEST_CASE(
    "8-bit codes keep zero and the largest of a block exactly, and all within their spacing") {
  std::vector<float> values{0, 1e-3f, -0.25f, 0.5f, -2};
  std::vector<uint8_t> codes(values.size());
  std::vector<float> back(values.size());
  const float scale = runtime::encode_signed8(values.data(), 5, codes.data());
  runtime::decode_signed8(codes.data(), scale, 5, back.data());
  CHECK(scale == 2);
  CHECK(back[0] == 0);
  CHECK(codes[0] == runtime::kZeroCode8);
  for (size_t i = 1; i < values.size(); ++i)
    CHECK(back[i] == doctest::Approx(values[i]).epsilon(0.05));
}

TEST_CASE("rates: a third for five steps, warm-up, lines and half a cosine") {
  CHECK(runtime::learning_rate({}, 3.0, 4, 0) == doctest::Approx(1));
  CHECK(runtime::learning_rate({}, 3.0, 5, 0) == 3);
  config::SchedulePlan plan{Shape::Linear, 10, 0.1};
  CHECK(runtime::learning_rate(plan, 1.0, 0, 110) == doctest::Approx(0.1));
  CHECK(runtime::learning_rate(plan, 1.0, 9, 110) == doctest::Approx(1));
  CHECK(runtime::learning_rate(plan, 1.0, 60, 110) == doctest::Approx(0.55));
  CHECK(runtime::learning_rate(plan, 1.0, 110, 110) == doctest::Approx(0.1));
  plan.shape = Shape::Cosine;
  CHECK(runtime::learning_rate(plan, 1.0, 60, 110) == doctest::Approx(0.55));
  CHECK(runtime::learning_rate(plan, 1.0, 35, 110) ==
        doctest::Approx(0.1 + 0.9 * (1 + std::cos(M_PI / 4)) / 2));
}

TEST_CASE("gradients together longer than the limit are shortened to it") {
  Parameter a{"a", at::zeros({2}, at::kFloat), at::tensor({3.0f, 0.0f})};
  Parameter b{"b", at::zeros({1}, at::kFloat), at::tensor({4.0f})};
  CHECK(runtime::clip_gradients({&a, &b}, 0) == doctest::Approx(5));
  CHECK(a.grad[0].item<float>() == 3);
  CHECK(runtime::clip_gradients({&a, &b}, 1) == doctest::Approx(5));
  CHECK(a.grad[0].item<float>() == doctest::Approx(0.6));
  CHECK(b.grad[0].item<float>() == doctest::Approx(0.8));
}
