#include "runtime/training/losses.hpp"

#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <cmath>

#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "runtime/sampling.hpp"

namespace gesso::runtime {
namespace {

double bf16(double value) { return static_cast<double>(c10::BFloat16(static_cast<float>(value))); }

/// mean((a - b)^2) in float32 and its gradient with respect to a, times `factor`.
struct MeanSquare {
  double value;
  at::Tensor grad;
};
MeanSquare mean_square(const at::Tensor& a, const at::Tensor& b, double factor) {
  const at::Tensor difference = a.sub(b);
  return {difference.square().mean().item<double>(),
          difference.mul(2 * factor / static_cast<double>(difference.numel()))};
}

/// Place of the evaluation whose timestep is nearest, the first of equals.
size_t nearest(const std::vector<gesso_eval_t>& evals, double timestep) {
  size_t best = 0;
  for (size_t i = 1; i < evals.size(); ++i) {
    if (std::abs(evals[i].timestep - timestep) < std::abs(evals[best].timestep - timestep)) {
      best = i;
    }
  }
  return best;
}

}  // namespace

at::ScalarType TrainedDenoiser::type() const {
  return instance_.plan().dtype == "bf16" ? at::kBFloat16 : at::kFloat;
}

ValueList TrainedDenoiser::values() const {
  ValueList list;
  list.set_text("numerics", numerics_);
  return list;
}

template <class Operation>
void TrainedDenoiser::feed(Operation& operation, const std::vector<at::Tensor>& latents,
                           const std::vector<double>& timesteps,
                           const Conditions& conditions) const {
  std::vector<at::Tensor> typed;
  for (const at::Tensor& latent : latents) typed.push_back(latent.to(type()));
  const std::vector<float> times(timesteps.begin(), timesteps.end());
  operation.feed(GESSO_PORT_LATENTS, typed);
  operation.feed_whole(GESSO_PORT_TIMESTEP, at::tensor(times, at::kFloat));
  operation.feed(GESSO_PORT_TEXT, conditions.text);
  if (!conditions.text_segments.empty()) {
    operation.feed(GESSO_PORT_TEXT_SEGMENTS, conditions.text_segments);
  }
  if (!conditions.image_latents.empty()) {
    operation.feed(GESSO_PORT_IMAGE_LATENTS, conditions.image_latents);
  }
  if (!conditions.image_features.empty()) {
    operation.feed(GESSO_PORT_IMAGE_FEATURES, conditions.image_features);
  }
  operation.inject(conditions.injectors);
}

TrainedDenoiser::Taped TrainedDenoiser::forward(const CallScope& call,
                                                const std::vector<at::Tensor>& latents,
                                                const std::vector<double>& timesteps,
                                                const Conditions& conditions,
                                                const std::vector<const char*>& wanted) const {
  Taped taped{std::make_unique<TapedRun>(instance_, GESSO_OP_DENOISE), {}};
  feed(*taped.run, latents, timesteps, conditions);
  for (const char* port : wanted) taped.run->want(port);
  auto results = taped.run->forward(call, values(), checkpoint_);
  taped.predictions =
      take(results, GESSO_PORT_PREDICTION, latents.size(), instance_.plan().info->id);
  for (at::Tensor& prediction : taped.predictions) prediction = prediction.to(at::kFloat);
  return taped;
}

OperationResults TrainedDenoiser::backward(const CallScope& call, Taped& taped,
                                           const std::vector<at::Tensor>& prediction_grads) const {
  std::vector<at::Tensor> typed;
  for (const at::Tensor& grad : prediction_grads) typed.push_back(grad.to(type()));
  auto results = taped.run->backward(call, {{GESSO_PORT_PREDICTION, typed}}, weights_);
  taped.run.reset();
  for (auto& [port, grads] : results) {
    for (at::Tensor& grad : grads) {
      if (grad.defined()) grad = grad.to(at::kFloat);
    }
  }
  return results;
}

std::vector<at::Tensor> TrainedDenoiser::predict(const CallScope& call,
                                                 const std::vector<at::Tensor>& latents,
                                                 const std::vector<double>& timesteps,
                                                 const Conditions& conditions) const {
  OperationRun run(instance_.component(), GESSO_OP_DENOISE);
  feed(run, latents, timesteps, conditions);
  auto results = run.run(call, values());
  auto made = take(results, GESSO_PORT_PREDICTION, latents.size(), instance_.plan().info->id);
  for (at::Tensor& prediction : made) prediction = prediction.to(at::kFloat);
  return made;
}

TrainingGrid::TrainingGrid(const Instance& scheduler, const CallScope& call, uint32_t n_steps,
                           bool rounded, const ValueList& values)
    : rounded_(rounded) {
  const auto& table = scheduler.interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  if (!GESSO_HAS(gesso_scheduler_t, &table, train_point)) {
    throw Error(Status::NotSupported,
                fmt::format("{} tells no points to train at", scheduler.plan().info->id));
  }
  const gesso_schedule_request_t request{
      sizeof(gesso_schedule_request_t), n_steps, 1.0, 0, values.data(), values.size()};
  for (uint32_t id = 0; id < n_steps; ++id) {
    Point point{};
    const double u = (id + 0.5) / n_steps;  // the middle of its part of [0, 1)
    check_call(table.train_point(scheduler.self(), call.get(), &request, u, &point.timestep,
                                 &point.sigma, &point.weight),
               call.get());
    points_.push_back(point);
  }
}

TrainingGrid::Point TrainingGrid::operator[](size_t id) const {
  if (!rounded_) return points_.at(id);
  const double timestep = bf16(points_.at(id).timestep);
  size_t best = 0;
  for (size_t i = 1; i < points_.size(); ++i) {
    if (std::abs(points_[i].timestep - timestep) < std::abs(points_[best].timestep - timestep)) {
      best = i;
    }
  }
  return {timestep, points_[best].sigma, points_[best].weight};
}

std::vector<double> flow_matching_loss(const TrainedDenoiser& denoiser, const CallScope& call,
                                       const FlowBatch& batch, double scale, bool backward,
                                       std::vector<at::Tensor>* text_grads) {
  const size_t n = batch.clean.size();
  std::vector<at::Tensor> noisy, grads;
  std::vector<double> timesteps, losses;
  for (size_t i = 0; i < n; ++i) {
    noisy.push_back(add_noise(batch.clean[i], batch.noise[i], batch.points[i].sigma));
    timesteps.push_back(batch.points[i].timestep);
  }
  TrainedDenoiser::Taped taped;
  if (backward) {
    std::vector<const char*> wanted;
    if (text_grads) wanted.push_back(GESSO_PORT_TEXT);
    taped = denoiser.forward(call, noisy, timesteps, batch.conditions, wanted);
  } else {
    taped.predictions = denoiser.predict(call, noisy, timesteps, batch.conditions);
  }
  for (size_t i = 0; i < n; ++i) {
    const at::Tensor target = batch.noise[i].sub(batch.clean[i]).to(at::kFloat);
    const double weight = batch.points[i].weight;
    auto loss = mean_square(taped.predictions[i], target, weight * scale / static_cast<double>(n));
    losses.push_back(loss.value * weight);
    grads.push_back(std::move(loss.grad));
  }
  if (!backward) return losses;
  auto through = denoiser.backward(call, taped, grads);
  if (text_grads) *text_grads = std::move(through[GESSO_PORT_TEXT]);
  return losses;
}

std::vector<gesso_eval_t> plan_steps(const Instance& scheduler, const CallScope& call,
                                     uint32_t n_steps, const ValueList& values) {
  const auto& table = scheduler.interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  const gesso_schedule_request_t request{
      sizeof(gesso_schedule_request_t), n_steps, 1.0, 0, values.data(), values.size()};
  std::vector<gesso_eval_t> evals(n_steps);
  uint32_t count = 0;
  check_call(table.plan(scheduler.self(), call.get(), &request, evals.data(), n_steps, &count),
             call.get());
  if (count != n_steps) {
    throw Error(Status::NotSupported,
                fmt::format("{} makes {} evaluations of {} steps; distillation takes one each",
                            scheduler.plan().info->id, count, n_steps));
  }
  return evals;
}

double direct_distill_loss(const TrainedDenoiser& denoiser, const CallScope& call,
                           const std::vector<gesso_eval_t>& evals, const at::Tensor& noise,
                           const at::Tensor& clean, const Conditions& conditions, double scale) {
  at::Tensor latents = noise.to(at::kFloat);
  std::vector<TrainedDenoiser::Taped> tapes;
  for (const gesso_eval_t& eval : evals) {
    call.poll();
    std::vector<const char*> wanted;
    if (!tapes.empty()) wanted.push_back(GESSO_PORT_LATENTS);
    tapes.push_back(denoiser.forward(call, {latents}, {eval.timestep}, conditions, wanted));
    latents = step(latents, tapes.back().predictions, at::Tensor(), eval);
    tapes.back().predictions.clear();
  }
  const auto loss = mean_square(latents, clean.to(at::kFloat), scale);
  at::Tensor grad = loss.grad;
  for (size_t k = evals.size(); k-- > 0;) {
    auto through = denoiser.backward(call, tapes[k], {grad.mul(evals[k].c_history[0])});
    tapes.pop_back();
    if (k > 0) grad = grad.mul(evals[k].c_sample).add(through[GESSO_PORT_LATENTS].at(0));
  }
  return loss.value;
}

Trajectory plan_trajectory(const Instance& scheduler, const CallScope& call, uint32_t teacher_steps,
                           uint32_t student_steps, const ValueList& values) {
  Trajectory trajectory;
  trajectory.student = plan_steps(scheduler, call, student_steps, values);
  ValueList aimed;
  const Values given = values.view();
  if (given.has("sigma_shift")) aimed.set_real("sigma_shift", given.real("sigma_shift", 0));
  aimed.set_text("target_sigmas", given.text("target_sigmas", "updated"));
  std::vector<double> times;
  for (const gesso_eval_t& eval : trajectory.student) times.push_back(eval.timestep);
  aimed.set_reals("target_timesteps", times);
  trajectory.teacher = plan_steps(scheduler, call, teacher_steps, aimed);
  const TrainingGrid grid(scheduler, call, student_steps, false, values);
  for (size_t i = 0; i < grid.size(); ++i) trajectory.weights.push_back(grid[i].weight);
  return trajectory;
}

void follow_teacher(Trajectory& trajectory, const TrainedDenoiser& teacher, const CallScope& call,
                    const at::Tensor& noise, const Conditions& positive, const Conditions& negative,
                    double cfg_scale) {
  at::Tensor latents = noise.to(at::kFloat);
  trajectory.latents = {latents};
  for (const gesso_eval_t& eval : trajectory.teacher) {
    call.poll();
    at::Tensor velocity = teacher.predict(call, {latents}, {eval.timestep}, positive).front();
    if (cfg_scale != 1) {
      velocity = merge_guidance(
          velocity, teacher.predict(call, {latents}, {eval.timestep}, negative).front(), cfg_scale);
    }
    const at::Tensor predictions[] = {velocity};
    latents = step(latents, predictions, at::Tensor(), eval);
    trajectory.latents.push_back(latents);
  }
}

double trajectory_loss(const TrainedDenoiser& student, const CallScope& call,
                       const Trajectory& trajectory, const Conditions& conditions, double scale) {
  constexpr double kShortest = 1e-6;  // of a step, as the reference guards its division
  double sum = 0;
  for (size_t k = 0; k < trajectory.student.size(); ++k) {
    call.poll();
    const gesso_eval_t& eval = trajectory.student[k];
    const bool last = k + 1 == trajectory.student.size();
    const at::Tensor& from = trajectory.latents.at(nearest(trajectory.teacher, eval.timestep));
    const at::Tensor& to = last ? trajectory.latents.back()
                                : trajectory.latents.at(nearest(
                                      trajectory.teacher, trajectory.student[k + 1].timestep));
    double length = eval.sigma_next - eval.sigma;
    if (std::abs(length) < kShortest) length = std::copysign(kShortest, length);
    const at::Tensor target = to.sub(from).div(length);
    auto taped = student.forward(call, {from}, {eval.timestep}, conditions);
    const double weight = trajectory.weights[k];
    const auto loss = mean_square(taped.predictions.front(), target, weight * scale);
    sum += loss.value * weight;
    student.backward(call, taped, {loss.grad});
  }
  return sum;
}

}  // namespace gesso::runtime
