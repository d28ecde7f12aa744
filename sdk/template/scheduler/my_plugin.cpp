// A scheduler of even steps from noise to picture.
//
// | Parameter | Type | Default | Meaning |
// |---|---|---|---|
// | none | | | |
//
//   [components.scheduler]
//   id = "org.example.my_plugin.scheduler"
#include <gesso/cpp/plugin.hpp>

namespace {

class MyPlugin : public gesso::Component<MyPlugin, gesso::SchedulerInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.my_plugin.scheduler",
                                    .kind = "scheduler",
                                    .name = "MyPlugin",
                                    .version = "1.0.0",
                                    .summary = "Even steps from noise to picture"};

  std::vector<gesso_eval_t> plan(const gesso::ScheduleRequest& request) {
    std::vector<gesso_eval_t> evals(request.n_steps);
    for (uint32_t i = 0; i < request.n_steps; ++i) {
      gesso_eval_t& eval = evals[i];
      eval.sigma = request.strength * (1.0 - double(i) / request.n_steps);
      eval.sigma_next = request.strength * (1.0 - double(i + 1) / request.n_steps);
      eval.timestep = 1000 * eval.sigma;
      eval.c_sample = 1;
      eval.n_history = 1;
      eval.c_history[0] = eval.sigma_next - eval.sigma;  // Euler: x + v * (next - now)
    }
    return evals;
  }

  gesso::TrainPoint train_point(const gesso::ScheduleRequest&, double u) {
    return {.timestep = 1000 * (1 - u), .sigma = 1 - u, .weight = 1};
  }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
