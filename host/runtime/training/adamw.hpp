// AdamW as torch.optim.AdamW computes it, with its learning-rate schedules, clipping and averages.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "engine/config/train_plan.hpp"
#include "runtime/training/parameters.hpp"

namespace gesso::runtime {

using ParameterList = std::vector<Parameter*>;

/// The optimizer and its states. Parameters without gradient are left alone, as in torch.
class AdamW {
 public:
  /// @param parameters  must outlive this
  AdamW(ParameterList parameters, const config::OptimizerPlan& plan);

  /// One step with the gradients that are there.
  void step(double learning_rate);

  struct State {
    int64_t steps = 0;
    at::Tensor mean, square;              // float32, as the parameter
    at::Tensor mean_codes, square_codes;  // uint8, with 8-bit states instead
    at::Tensor mean_scales, square_scales;
  };
  /// One per parameter.
  std::vector<State>& states() { return states_; }
  /// With its tensors, of zero steps.
  State empty_state(size_t index) const;
  uint64_t bytes() const;  // of all states

 private:
  void step_one(Parameter& parameter, State& state, double learning_rate) const;

  ParameterList parameters_;
  config::OptimizerPlan plan_;
  std::vector<State> states_;
};

/// The tensors of a state by name, those that there are.
std::vector<std::pair<const char*, at::Tensor*>> parts_of(AdamW::State& state);

/// The rate of optimizer step `step` (from 0) of `total`.
double learning_rate(const config::SchedulePlan& plan, double base, int64_t step, int64_t total);

/// The length of all gradients together; scales them down to `most` if they are longer (0: never).
/// @param complete  fills in the lengths of gradients that are elsewhere, 0 so far
double clip_gradients(const ParameterList& parameters, double most,
                      const std::function<void(std::vector<double>&)>& complete = {});

}  // namespace gesso::runtime
