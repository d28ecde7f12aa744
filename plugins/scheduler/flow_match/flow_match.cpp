// Flow matching with Euler steps and a static shift, as Z-Image uses it.
//
// From sigma = 1 (noise) to 0 (picture) along a grid that `sigma_shift` bends towards the noise;
// one evaluation of the denoiser per step, x' = x + (sigma' - sigma) * velocity. Needs no libtorch.
//
// | Parameter        | Type  | Range         | Default | Meaning                                 |
// |------------------|-------|---------------|---------|-----------------------------------------|
// | sigma_shift      | real  | > 0           | 3       | larger: more steps at high noise;       |
// |                  |       |               |         | 1: even steps                           |
// | target_timesteps | reals | 0 to 1000     | none    | each replaces the nearest of the grid   |
// | target_sigmas    | text  | updated, kept | updated | whether the sigmas at those places      |
// |                  |       |               |         | follow                                  |
//
// Example:
//   [generate]
//   num_inference_steps = 8
//   sigma_shift = 3.0
//
// Source: flow matching (Lipman et al. 2023); tables as DiffSynth-Studio's flow_match.py, template
// "Z-Image".
#include <cmath>
#include <string>
#include <vector>

#include "flow_match_table.hpp"
#include "gesso/cpp/plugin.hpp"

namespace gesso::flow_match {
namespace {

constexpr double kShift = 3.0;

void expect(bool fits, const std::string& text) {
  if (!fits) throw Error(Status::InvalidArgument, text);
}

/// The noise levels of the steps, and what the denoiser is told at each.
struct Grid {
  std::vector<float> levels, timesteps;
};

/// Puts each wanted timestep over the nearest one of the grid; its level follows, or is kept as it
/// was in DiffSynth-Studio before 2.1.12.
void aim_at(Grid& grid, const std::vector<double>& targets, bool keep_levels) {
  for (const double target : targets) {
    const auto wanted = static_cast<float>(target);
    size_t nearest = 0;
    for (size_t i = 1; i < grid.timesteps.size(); ++i) {
      const auto distance = [&](size_t place) { return std::abs(grid.timesteps[place] - wanted); };
      if (distance(i) < distance(nearest)) nearest = i;
    }
    grid.timesteps[nearest] = wanted;
    if (!keep_levels) grid.levels[nearest] = wanted / 1000.0f;
  }
}

Grid grid_of(const ScheduleRequest& request) {
  const double shift = request.values.real("sigma_shift", kShift);
  expect(shift > 0 && std::isfinite(shift),
         "sigma_shift: expected a number above 0, found " + std::to_string(shift));
  expect(request.n_steps >= 1, "num_inference_steps: expected 1 or more, found 0");
  expect(request.strength > 0 && request.strength <= 1,
         "denoising_strength: expected a number above 0, at most 1; found " +
             std::to_string(request.strength));
  const std::string rule = request.values.text("target_sigmas", "updated");
  expect(rule == "updated" || rule == "kept",
         "target_sigmas: expected \"updated\" or \"kept\", found \"" + rule + "\"");
  Grid grid{sigmas(request.n_steps, request.strength, shift), {}};
  for (const float level : grid.levels) grid.timesteps.push_back(timestep(level));
  aim_at(grid, request.values.reals("target_timesteps"), rule == "kept");
  return grid;
}

class Scheduler : public Component<Scheduler, SchedulerInterface> {
 public:
  static constexpr Info info{.id = "org.gesso.flow_match.scheduler",
                             .kind = "scheduler",
                             .name = "Flow matching",
                             .version = "1.0.0",
                             .summary = "Euler steps along a straight flow, static shift"};

  std::vector<gesso_eval_t> plan(const ScheduleRequest& request) {
    const auto [levels, timesteps] = grid_of(request);
    std::vector<gesso_eval_t> evals;
    for (size_t i = 0; i < levels.size(); ++i) {
      const float next = i + 1 < levels.size() ? levels[i + 1] : 0.0f;
      gesso_eval_t eval{};
      eval.timestep = timesteps[i];
      eval.sigma = levels[i];
      eval.sigma_next = next;
      eval.c_sample = 1;
      eval.c_history[0] = next - levels[i];  // in float32, as the reference subtracts
      eval.n_history = 1;
      evals.push_back(eval);
    }
    return evals;
  }

  TrainPoint train_point(const ScheduleRequest& request, double u) {
    expect(request.n_steps >= 2, "a training grid needs 2 levels at least");
    expect(u >= 0 && u < 1,
           "a place in the training grid lies in [0, 1), found " + std::to_string(u));
    const auto [levels, timesteps] = grid_of(request);
    const auto place = static_cast<size_t>(u * static_cast<double>(levels.size()));
    return {timesteps[place], levels[place], training_weights(levels)[place]};
  }
};

}  // namespace
}  // namespace gesso::flow_match

GESSO_EXPORT_PLUGIN("org.gesso.flow_match", "1.0.0", "Gesso", "Apache-2.0",
                    gesso::flow_match::Scheduler)
