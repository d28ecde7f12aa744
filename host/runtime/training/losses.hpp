// What is minimised. Gradients are closed formulas here and backward runs of components; autograd
// is not used in the host.
//
// Losses are means over the items of a batch. `scale` multiplies gradients, not the value that is
// returned: 1 / accumulation steps.
// Source: docs/training.md; DiffSynth-Studio, diffusion/loss.py.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "gesso/kind/scheduler.h"
#include "runtime/training/parameters.hpp"
#include "runtime/training/taped_run.hpp"

namespace gesso::runtime {

/// What the denoiser is given besides latents and time.
struct Conditions {
  std::vector<at::Tensor> text;                           // per item
  std::vector<at::Tensor> text_segments;                  // per item, or none
  std::vector<at::Tensor> image_latents, image_features;  // shared by the batch
  std::vector<const gesso_injector*> injectors{};
};

/// The denoiser as losses use it.
class TrainedDenoiser {
 public:
  /// @param weights  gets the gradients of parameters; null: the denoiser is frozen
  TrainedDenoiser(const Instance& instance, std::string numerics, int32_t checkpoint,
                  const gesso_grad_sink_t* weights)
      : instance_(instance),
        numerics_(std::move(numerics)),
        checkpoint_(checkpoint),
        weights_(weights) {}

  /// A prediction with its way back.
  struct Taped {
    std::unique_ptr<TapedRun> run;
    std::vector<at::Tensor> predictions;  // float32
  };
  /// @param timesteps  one per item
  /// @param wanted     inputs whose gradients `backward` shall give, by port
  Taped forward(const CallScope& call, const std::vector<at::Tensor>& latents,
                const std::vector<double>& timesteps, const Conditions& conditions,
                const std::vector<const char*>& wanted = {}) const;
  /// @return gradients of the inputs that were wanted, float32
  OperationResults backward(const CallScope& call, Taped& taped,
                            const std::vector<at::Tensor>& prediction_grads) const;
  /// Without a way back.
  std::vector<at::Tensor> predict(const CallScope& call, const std::vector<at::Tensor>& latents,
                                  const std::vector<double>& timesteps,
                                  const Conditions& conditions) const;
  at::ScalarType type() const;
  const Instance& instance() const { return instance_; }

 private:
  template <class Operation>
  void feed(Operation& operation, const std::vector<at::Tensor>& latents,
            const std::vector<double>& timesteps, const Conditions& conditions) const;
  ValueList values() const;

  const Instance& instance_;
  std::string numerics_;
  int32_t checkpoint_;
  const gesso_grad_sink_t* weights_;
};

/// The levels that flow matching draws from, as a scheduler tells them.
class TrainingGrid {
 public:
  /// @param rounded  timesteps are rounded to bf16 and their level is looked up again, as the
  ///                 reference does: levels collapse
  TrainingGrid(const Instance& scheduler, const CallScope& call, uint32_t n_steps, bool rounded,
               const ValueList& values = {});
  struct Point {
    double timestep, sigma, weight;
  };
  size_t size() const { return points_.size(); }
  Point operator[](size_t id) const;

 private:
  std::vector<Point> points_;
  bool rounded_;
};

/// Flow matching: noisy = (1 - sigma) clean + sigma noise, target = noise - clean.
struct FlowBatch {
  std::vector<at::Tensor> clean, noise;  // [C, H, W]
  std::vector<TrainingGrid::Point> points;
  Conditions conditions;
};
/// @param backward    false: for validation, without a tape
/// @param text_grads  not null: gets the gradient of each item's text
/// @return            the loss of each item
std::vector<double> flow_matching_loss(const TrainedDenoiser& denoiser, const CallScope& call,
                                       const FlowBatch& batch, double scale, bool backward = true,
                                       std::vector<at::Tensor>* text_grads = nullptr);

/// All steps of a schedule from `noise`, each with gradients; the mean square of what is left to
/// `clean`.
double direct_distill_loss(const TrainedDenoiser& denoiser, const CallScope& call,
                           const std::vector<gesso_eval_t>& evals, const at::Tensor& noise,
                           const at::Tensor& clean, const Conditions& conditions, double scale);

/// A student of few steps after a teacher of many: each of its steps shall lead from where the
/// teacher was at that time to where the teacher is at the next.
struct Trajectory {
  std::vector<gesso_eval_t> teacher, student;  // the teacher's meets the student's timesteps
  std::vector<double> weights;                 // of the student's steps
  std::vector<at::Tensor> latents;             // of the teacher, before each step and at the end
};
/// The schedules of both. @param values  of the scheduler: "target_sigmas", "sigma_shift"
Trajectory plan_trajectory(const Instance& scheduler, const CallScope& call, uint32_t teacher_steps,
                           uint32_t student_steps, const ValueList& values);
/// Fills `latents` with the teacher's way.
void follow_teacher(Trajectory& trajectory, const TrainedDenoiser& teacher, const CallScope& call,
                    const at::Tensor& noise, const Conditions& positive, const Conditions& negative,
                    double cfg_scale);
double trajectory_loss(const TrainedDenoiser& student, const CallScope& call,
                       const Trajectory& trajectory, const Conditions& conditions, double scale);

/// The evaluations of a schedule. @throws Error the scheduler's
std::vector<gesso_eval_t> plan_steps(const Instance& scheduler, const CallScope& call,
                                     uint32_t n_steps, const ValueList& values);

}  // namespace gesso::runtime
