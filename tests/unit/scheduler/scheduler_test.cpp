// The flow-matching scheduler through its plugin.
#include <doctest/doctest.h>

#include "plugin_host.hpp"

using namespace golden;
using gesso::Error;

namespace {

class Scheduler {
 public:
  Scheduler() : component("flow_match", "org.gesso.flow_match.scheduler") {
    component.prepare();
    table = &component.interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  }
  std::vector<gesso_eval_t> plan(uint32_t steps, double strength = 1.0,
                                 const gesso::ValueList& values = {}) {
    TestCall call;
    const gesso_schedule_request_t request{sizeof request, steps,        strength, 0,
                                           values.data(),  values.size()};
    uint32_t count = 0;
    void* self = component.get()->self;
    gesso::check_call(table->plan(self, &call.raw, &request, nullptr, 0, &count), &call.raw);
    std::vector<gesso_eval_t> evals(count);
    gesso::check_call(table->plan(self, &call.raw, &request, evals.data(), count, &count),
                      &call.raw);
    return evals;
  }
  gesso::TrainPoint train_point(uint32_t steps, double u) {
    TestCall call;
    const gesso_schedule_request_t request{sizeof request, steps, 1.0, 0, nullptr, 0};
    gesso::TrainPoint p{};
    gesso::check_call(table->train_point(component.get()->self, &call.raw, &request, u, &p.timestep,
                                         &p.sigma, &p.weight),
                      &call.raw);
    return p;
  }
  PluginComponent component;
  const gesso_scheduler_t* table;
};

gesso::ValueList values_of(const nlohmann::json& params) {
  gesso::ValueList values;
  if (params.contains("target_timesteps")) {
    values.set_reals("target_timesteps", params["target_timesteps"]);
    values.set_text("target_sigmas", params["target_sigmas"]);
  }
  const auto shift = params.value("sigma_shift", nlohmann::json());
  if (!shift.is_null()) values.set_real("sigma_shift", shift);
  return values;
}

/// bf16, to the nearest even.
float rounded(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, 4);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  std::memcpy(&v, &bits, 4);
  return v;
}

}  // namespace

TEST_CASE("noise levels and timesteps equal the goldens") {
  const Case c("scheduler/tables");
  Scheduler scheduler;
  int compared = 0;
  for (const auto& t : c.json["params"]["tables"]) {
    const std::string id = t["id"];
    std::vector<float> sigmas, timesteps;
    for (const auto& eval : scheduler.plan(t["num_inference_steps"],
                                           t.value("denoising_strength", 1.0), values_of(t))) {
      sigmas.push_back(static_cast<float>(eval.sigma));
      timesteps.push_back(static_cast<float>(eval.timestep));
    }
    CHECK_MESSAGE(sigmas == c.outputs.at(id + ".sigmas").floats(), id);  // bit for bit
    CHECK_MESSAGE(timesteps == c.outputs.at(id + ".timesteps").floats(), id);
    ++compared;
  }
  CHECK(compared == 56);
}

TEST_CASE("bf16 steps equal the golden bit for bit") {
  const Case c("scheduler/steps_bfloat16");
  const auto& params = c.json["params"];
  std::vector<float> x = c.inputs.at("latents").floats();
  size_t k = 0;
  for (const auto& eval : Scheduler().plan(params["num_inference_steps"],
                                           params["denoising_strength"], values_of(params))) {
    const auto v = c.inputs.at("noise_pred." + std::to_string(k)).floats();
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = rounded(x[i] + rounded(v[i] * static_cast<float>(eval.c_history[0])));
    }
    c.check("latents." + std::to_string(k++), x);
  }
}

TEST_CASE("training weights equal the goldens") {
  const Case c("scheduler/training_tables");
  Scheduler scheduler;
  for (const auto& t : c.json["params"]["tables"]) {
    const uint32_t n = t["num_inference_steps"];
    std::vector<float> sigmas, timesteps, weights;
    for (uint32_t i = 0; i < n; ++i) {
      const auto p = scheduler.train_point(n, (i + 0.5) / n);
      sigmas.push_back(static_cast<float>(p.sigma));
      timesteps.push_back(static_cast<float>(p.timestep));
      weights.push_back(static_cast<float>(p.weight));
    }
    const std::string id = t["id"];
    c.check(id + ".sigmas", sigmas);
    c.check(id + ".timesteps", timesteps);
    c.check(id + ".weights", weights);
  }
}

TEST_CASE("steps along a straight flow land on the picture") {
  for (const uint32_t steps : {1u, 3u, 8u, 50u}) {
    const double picture = 0.25, noise = -1.5;
    double x = noise, last = 2;
    for (const auto& eval : Scheduler().plan(steps)) {
      CHECK(eval.sigma < last);
      CHECK(eval.n_history == 1);
      CHECK(eval.c_noise == 0);
      last = eval.sigma;
      x = eval.c_sample * x + eval.c_history[0] * (noise - picture);
    }
    CHECK(x == doctest::Approx(picture).epsilon(1e-6));
  }
}

TEST_CASE("wrong requests are refused") {
  Scheduler scheduler;
  CHECK_THROWS_WITH_AS(scheduler.plan(0), doctest::Contains("num_inference_steps"), Error);
  CHECK_THROWS_WITH_AS(scheduler.plan(8, 0.0), doctest::Contains("denoising_strength"), Error);
  CHECK_THROWS_WITH_AS(scheduler.plan(8, 1.5), doctest::Contains("denoising_strength"), Error);
  gesso::ValueList values;
  values.set_real("sigma_shift", -1);
  CHECK_THROWS_WITH_AS(scheduler.plan(8, 1.0, values), doctest::Contains("sigma_shift"), Error);
  CHECK_THROWS_WITH_AS(scheduler.train_point(1000, 1.0), doctest::Contains("[0, 1)"), Error);
  CHECK_THROWS_AS(scheduler.train_point(1, 0.5), Error);
}
