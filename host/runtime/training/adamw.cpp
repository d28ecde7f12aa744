#include "runtime/training/adamw.hpp"

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/training/blockwise8.hpp"

namespace gesso::runtime {
namespace {

/// Ticks during which the reference's ConstantLR takes a third of the rate.
constexpr int64_t kReferenceTicks = 5;

}  // namespace

AdamW::AdamW(ParameterList parameters, const config::OptimizerPlan& plan)
    : parameters_(std::move(parameters)), plan_(plan), states_(parameters_.size()) {}

void AdamW::step(double learning_rate) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i]->grad.defined()) continue;
    if (states_[i].steps == 0) states_[i] = empty_state(i);
    step_one(*parameters_[i], states_[i], learning_rate);
  }
}

AdamW::State AdamW::empty_state(size_t index) const {
  State state;
  const at::Tensor& value = parameters_[index]->value;
  if (plan_.states == config::OptimizerPlan::States::F32) {
    state.mean = at::zeros_like(value);
    state.square = at::zeros_like(value);
    return state;
  }
  const int64_t n = value.numel(), blocks = (n + kBlock8 - 1) / kBlock8;
  state.mean_codes = at::zeros({n}, at::kByte).fill_(kZeroCode8);
  state.square_codes = at::zeros({n}, at::kByte);
  state.mean_scales = at::zeros({blocks}, at::kFloat);
  state.square_scales = at::zeros({blocks}, at::kFloat);
  return state;
}

uint64_t AdamW::bytes() const {
  uint64_t sum = 0;
  for (State state : states_) {
    for (const auto& part : parts_of(state)) sum += part.second->nbytes();
  }
  return sum;
}

std::vector<std::pair<const char*, at::Tensor*>> parts_of(AdamW::State& state) {
  std::vector<std::pair<const char*, at::Tensor*>> parts;
  for (const auto& [name, tensor] :
       {std::pair("mean", &state.mean), std::pair("square", &state.square),
        std::pair("mean_codes", &state.mean_codes), std::pair("square_codes", &state.square_codes),
        std::pair("mean_scales", &state.mean_scales),
        std::pair("square_scales", &state.square_scales)}) {
    if (tensor->defined()) parts.emplace_back(name, tensor);
  }
  return parts;
}

/// In the order of operations of torch's single-tensor AdamW; one pass over the numbers.
void AdamW::step_one(Parameter& parameter, State& state, double lr) const {
  const int64_t n = parameter.value.numel();
  const auto t = static_cast<double>(++state.steps);
  const double correction1 = 1 - std::pow(plan_.beta1, t);
  const double correction2 = std::sqrt(1 - std::pow(plan_.beta2, t));
  const auto decay = static_cast<float>(1 - lr * plan_.weight_decay);
  const auto step_size = static_cast<float>(-(lr / correction1));
  const auto root2 = static_cast<float>(correction2), eps = static_cast<float>(plan_.eps);
  const auto rest1 = static_cast<float>(1 - plan_.beta1), beta2 = static_cast<float>(plan_.beta2);
  const auto rest2 = static_cast<float>(1 - plan_.beta2);

  float* p = parameter.value.mutable_data_ptr<float>();
  const float* g = parameter.grad.const_data_ptr<float>();
  const auto update = [&](int64_t begin, int64_t end, float* m, float* v) {
    for (int64_t i = begin; i < end; ++i, ++m, ++v) {
      const float kept = p[i] * decay;
      *m = *m + rest1 * (g[i] - *m);
      *v = *v * beta2 + rest2 * g[i] * g[i];
      const float root = std::sqrt(*v) / root2 + eps;
      p[i] = kept + step_size * *m / root;
    }
  };
  if (plan_.states == config::OptimizerPlan::States::F32) {
    float* m = state.mean.mutable_data_ptr<float>();
    float* v = state.square.mutable_data_ptr<float>();
    at::parallel_for(0, n, 32768,
                     [&](int64_t begin, int64_t end) { update(begin, end, m + begin, v + begin); });
    return;
  }
  uint8_t* mc = state.mean_codes.mutable_data_ptr<uint8_t>();
  uint8_t* vc = state.square_codes.mutable_data_ptr<uint8_t>();
  float* ms = state.mean_scales.mutable_data_ptr<float>();
  float* vs = state.square_scales.mutable_data_ptr<float>();
  at::parallel_for(0, (n + kBlock8 - 1) / kBlock8, 64, [&](int64_t first, int64_t last) {
    float m[kBlock8], v[kBlock8];
    for (int64_t block = first; block < last; ++block) {
      const int64_t begin = block * kBlock8, count = std::min(kBlock8, n - begin);
      decode_signed8(mc + begin, ms[block], count, m);
      decode_unsigned8(vc + begin, vs[block], count, v);
      update(begin, begin + count, m, v);
      ms[block] = encode_signed8(m, count, mc + begin);
      vs[block] = encode_unsigned8(v, count, vc + begin);
    }
  });
}

double learning_rate(const config::SchedulePlan& plan, double base, int64_t step, int64_t total) {
  using Shape = config::SchedulePlan::Shape;
  if (step < plan.warmup_steps) {
    return base * static_cast<double>(step + 1) / static_cast<double>(plan.warmup_steps);
  }
  if (plan.shape == Shape::Reference) return step < kReferenceTicks ? base * (1.0 / 3.0) : base;
  if (plan.shape == Shape::Constant) return base;
  const double length = static_cast<double>(std::max<int64_t>(1, total - plan.warmup_steps));
  const double done = std::clamp(static_cast<double>(step - plan.warmup_steps) / length, 0.0, 1.0);
  const double left =
      plan.shape == Shape::Linear ? 1 - done : (1 + std::cos(std::numbers::pi * done)) / 2;
  return base * (plan.min_ratio + (1 - plan.min_ratio) * left);
}

double clip_gradients(const ParameterList& parameters, double most,
                      const std::function<void(std::vector<double>&)>& complete) {
  std::vector<double> lengths;
  for (const Parameter* parameter : parameters) {
    lengths.push_back(parameter->grad.defined() ? parameter->grad.norm().item<double>() : 0);
  }
  if (complete) complete(lengths);
  double sum = 0;
  for (const double length : lengths) sum += length * length;
  const double length = std::sqrt(sum);
  const double factor = most / (length + 1e-6);  // as torch.nn.utils.clip_grad_norm_
  if (most > 0 && factor < 1) {
    for (Parameter* parameter : parameters) {
      if (parameter->grad.defined()) parameter->grad.mul_(factor);
    }
  }
  return length;
}

}  // namespace gesso::runtime
