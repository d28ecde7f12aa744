// "gesso.scheduler/1".
#include <cmath>
#include <cstring>

#include "engine/registry/json_values.hpp"
#include "gesso/kind/scheduler.h"
#include "validate/context.hpp"

namespace gesso::validate {
namespace {

constexpr uint32_t kSteps = 7;

struct Plan {
  gesso_status_t status;
  std::vector<gesso_eval_t> evals;
  uint32_t count = 0;
  std::string text;
  int32_t prediction = 0;
};

const gesso_scheduler_t& table(Subject& subject) {
  const auto* found = subject.find<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  if (!found || !found->plan) skip("plan is NULL (see scheduler.table)");
  return *found;
}

Plan plan(Subject& subject, uint32_t steps = kSteps, double strength = 1) {
  const gesso_scheduler_t& scheduler = table(subject);
  const ValueList values = registry::values_from_json(subject.sample().run_values);
  const gesso_schedule_request_t request{sizeof request, steps,        strength, 64,
                                         values.data(),  values.size()};
  Plan made{GESSO_STATUS_OK, std::vector<gesso_eval_t>(4 * (steps + 1)), 0, "", 0};
  Trial trial;
  made.prediction = scheduler.prediction;
  made.status = scheduler.plan(subject.self(), trial.get(), &request, made.evals.data(),
                               static_cast<uint32_t>(made.evals.size()), &made.count);
  made.text = trial.text();
  made.evals.resize(std::min<size_t>(made.count, made.evals.size()));
  return made;
}

Plan good_plan(Subject& subject, uint32_t steps = kSteps, double strength = 1) {
  Plan made = plan(subject, steps, strength);
  if (made.status != GESSO_STATUS_OK || made.evals.empty()) {
    skip("it makes no plan (see scheduler.plans)");
  }
  return made;
}

void has_table(Context& c) {
  const auto subject = c.ready();
  const auto* found = subject->find<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  expect(found && found->struct_size >= offsetof(gesso_scheduler_t, train_point) && found->plan,
         "plan is NULL or struct_size too small");
  expect(found->prediction >= GESSO_PREDICTION_VELOCITY &&
             found->prediction <= GESSO_PREDICTION_SAMPLE,
         "prediction is {}", found->prediction);
}

void plans(Context& c) {
  const Plan made = plan(*c.ready());
  expect(made.status == GESSO_STATUS_OK, "a plan of {} steps failed with status {}: {}", kSteps,
         made.status, made.text);
  expect(made.count >= 1, "a plan of {} steps has no evaluation", kSteps);
}

void counts(Context& c) {
  const auto subject = c.ready();
  const Plan whole = good_plan(*subject);
  const ValueList values = registry::values_from_json(subject->sample().run_values);
  const gesso_schedule_request_t request{sizeof request, kSteps,       1, 64,
                                         values.data(),  values.size()};
  Trial trial;
  uint32_t count = 0;
  const auto status =
      table(*subject).plan(subject->self(), trial.get(), &request, nullptr, 0, &count);
  expect(status == GESSO_STATUS_OK && count == whole.count,
         "with room for none it gave status {} and count {}, not {}", status, count, whole.count);
}

void capacity(Context& c) {
  const auto subject = c.ready();
  good_plan(*subject);
  const ValueList values = registry::values_from_json(subject->sample().run_values);
  const gesso_schedule_request_t request{sizeof request, kSteps,       1, 64,
                                         values.data(),  values.size()};
  gesso_eval_t evals[kSteps + 1];
  std::memset(evals, 0xA5, sizeof evals);
  const gesso_eval_t untouched = evals[2];
  Trial trial;
  uint32_t count = 0;
  table(*subject).plan(subject->self(), trial.get(), &request, evals, 2, &count);
  expect(std::memcmp(&evals[2], &untouched, sizeof untouched) == 0,
         "with room for 2 evaluations it wrote a third");
}

void numbers_only(Context& c) {
  for (const gesso_eval_t& e : good_plan(*c.ready()).evals) {
    for (const double x : {e.timestep, e.sigma, e.sigma_next, e.c_sample, e.c_noise})
      expect(std::isfinite(x), "an evaluation holds {}", x);
    expect(e.n_history <= 4, "n_history is {}, there is room for 4", e.n_history);
  }
}

void falls(Context& c) {
  double last = 1e9;
  for (const gesso_eval_t& e : good_plan(*c.ready()).evals) {
    expect(e.sigma <= last, "sigma rises from {} to {}", last, e.sigma);
    last = e.sigma;
  }
}

void joins(Context& c) {
  const Plan made = good_plan(*c.ready());
  for (size_t i = 0; i + 1 < made.evals.size(); ++i)
    expect(std::abs(made.evals[i].sigma_next - made.evals[i + 1].sigma) < 1e-9,
           "evaluation {} ends at sigma {}, the next begins at {}", i, made.evals[i].sigma_next,
           made.evals[i + 1].sigma);
  expect(std::abs(made.evals.back().sigma_next) < 1e-9, "the last one ends at sigma {}, not at 0",
         made.evals.back().sigma_next);
}

/// On a straight flow each prediction is known; the last step must give the clean picture.
void straight(Context& c) {
  const Plan made = good_plan(*c.ready());
  if (made.prediction < GESSO_PREDICTION_VELOCITY || made.prediction > GESSO_PREDICTION_SAMPLE) {
    skip("nobody knows what is predicted (see scheduler.table)");
  }
  constexpr double kClean = 0.75, kNoise = -1.25;
  double x = (1 - made.evals[0].sigma) * kClean + made.evals[0].sigma * kNoise;
  double history[4] = {};
  for (const gesso_eval_t& e : made.evals) {
    const double answers[] = {0, kNoise - kClean, kNoise, kClean};
    const double prediction = answers[made.prediction];
    std::move_backward(history, history + 3, history + 4);
    history[0] = prediction;
    double next = e.c_sample * x;
    for (uint32_t k = 0; k < std::min(e.n_history, 4u); ++k) next += e.c_history[k] * history[k];
    if (e.c_noise != 0) skip("it adds noise of its own");
    x = next;
  }
  expect(std::abs(x - kClean) < 1e-3, "a straight flow from {} to {} ended at {}", kNoise, kClean,
         x);
}

void strength(Context& c) {
  const auto subject = c.ready();
  const double full = good_plan(*subject).evals.front().sigma;
  const Plan half = plan(*subject, kSteps, 0.5);
  if (half.status != GESSO_STATUS_OK) {
    expect(!half.text.empty(), "strength 0.5 failed without a text");
    return;
  }
  expect(!half.evals.empty() && half.evals.front().sigma < full,
         "strength 0.5 begins at sigma {}, strength 1 at {}",
         half.evals.empty() ? 0 : half.evals.front().sigma, full);
}

void repeats(Context& c) {
  const auto subject = c.ready();
  const Plan first = good_plan(*subject), second = good_plan(*subject);
  const bool same = first.evals.size() == second.evals.size() &&
                    std::memcmp(first.evals.data(), second.evals.data(),
                                first.evals.size() * sizeof(gesso_eval_t)) == 0;
  expect(same, "the same plan twice is not the same");
}

void no_steps(Context& c) {
  const Plan made = plan(*c.ready(), 0);
  expect(made.status != GESSO_STATUS_OK || made.count == 0, "a plan of 0 steps has {}", made.count);
  expect(made.status == GESSO_STATUS_OK || !made.text.empty(),
         "a plan of 0 steps was refused without a text");
}

void trains(Context& c) {
  const auto subject = c.ready();
  const gesso_scheduler_t& scheduler = table(*subject);
  if (!GESSO_HAS(gesso_scheduler_t, &scheduler, train_point)) skip("it has no train_point");
  const ValueList values = registry::values_from_json(subject->sample().run_values);
  const gesso_schedule_request_t request{sizeof request, 1000, 1, 64, values.data(), values.size()};
  for (const double u : {0.0, 0.25, 0.5, 0.999}) {
    Trial trial;
    double timestep = NAN, sigma = NAN, weight = NAN;
    const auto status = scheduler.train_point(subject->self(), trial.get(), &request, u, &timestep,
                                              &sigma, &weight);
    expect(status == GESSO_STATUS_OK, "u = {} failed with status {}: {}", u, status, trial.text());
    expect(sigma >= 0 && sigma <= 1, "u = {}: sigma is {}", u, sigma);
    expect(std::isfinite(timestep) && std::isfinite(weight) && weight >= 0,
           "u = {}: timestep {}, weight {}", u, timestep, weight);
  }
}

constexpr const char* kScheduler = GESSO_SCHEDULER_ID;

constexpr Check kChecks[] = {
    {"scheduler.table", "R2", Needs::Ready, kScheduler, "has a plan and says what is predicted",
     "Fill struct_size, prediction and plan.", has_table},
    {"scheduler.plans", "", Needs::Ready, kScheduler, "makes a plan of a few steps",
     "Read the text.", plans},
    {"scheduler.counts", "R2", Needs::Ready, kScheduler,
     "tells the full number when there is no room",
     "Write count first, then at most `capacity` evaluations; evals may be NULL.", counts},
    {"scheduler.capacity", "R2", Needs::Ready, kScheduler, "writes no more than there is room for",
     "Compare with `capacity` before you write.", capacity},
    {"scheduler.numbers", "R7", Needs::Ready, kScheduler,
     "a plan holds numbers, and at most 4 of history",
     "Look for a division by zero; n_history is 4 or less.", numbers_only},
    {"scheduler.falls", "", Needs::Ready, kScheduler, "sigmas never rise",
     "Sort the evaluations from noise to picture.", falls},
    {"scheduler.joins", "", Needs::Ready, kScheduler,
     "each step begins where the last one ended, the last at 0",
     "sigma_next is the sigma of the next evaluation, and 0 at the end.", joins},
    {"scheduler.straight", "", Needs::Ready, kScheduler, "a straight flow arrives at its target",
     "For Euler and velocity: c_sample 1, c_history[0] = sigma_next - sigma.", straight},
    {"scheduler.strength", "", Needs::Ready, kScheduler, "less strength begins at less noise",
     "Begin at sigmas below the first one when strength is below 1.", strength},
    {"scheduler.repeats", "R13", Needs::Ready, kScheduler, "the same request gives the same plan",
     "Keep nothing from one plan to the next; zero the evaluations first.", repeats},
    {"scheduler.no_steps", "R7", Needs::Ready, kScheduler, "a plan of no steps is empty or refused",
     "Give count 0, or INVALID_ARGUMENT and a text.", no_steps},
    {"scheduler.trains", "", Needs::Ready, kScheduler, "training points are in range",
     "sigma in [0, 1], weight 0 or more; leave train_point NULL otherwise.", trains},
};

}  // namespace

std::span<const Check> scheduler_checks() { return kChecks; }

}  // namespace gesso::validate
