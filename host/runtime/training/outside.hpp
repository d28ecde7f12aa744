// What acts on the denoiser from outside in training: a ControlNet's injector, and a generator's
// updates.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "gesso/ext/control_training.h"
#include "runtime/training/parameters.hpp"
#include "runtime/training/taped_run.hpp"

namespace gesso::runtime {

/// An injector for one training run of the denoiser; it must outlive the run's tape.
class ControlRun {
 public:
  /// @param weights  gets the gradients of the ControlNet; null: it is frozen
  /// @throws Error  NotSupported when the controller cannot be trained through
  ControlRun(const Instance& controller, const Instance& denoiser, const CallScope& call,
             const at::Tensor& context, double scale, int32_t checkpoint,
             const gesso_grad_sink_t* weights);
  ~ControlRun();
  ControlRun(const ControlRun&) = delete;
  ControlRun& operator=(const ControlRun&) = delete;
  const gesso_injector_t* get() const { return injector_; }

 private:
  const Instance& controller_;
  const gesso_control_training_t& table_;
  const gesso_injector_t* injector_ = nullptr;
};

/// Updates that a generator makes, shown to the denoiser as trained ones; what comes back for them
/// goes on to the generator.
class GeneratedUpdates {
 public:
  GeneratedUpdates(const Instance& generator, const Instance& denoiser);
  ~GeneratedUpdates();
  GeneratedUpdates(const GeneratedUpdates&) = delete;
  GeneratedUpdates& operator=(const GeneratedUpdates&) = delete;

  /// @param features  of each picture
  /// @throws Error  Incompatible when the denoiser has no such weights
  void forward(const CallScope& call, const std::vector<at::Tensor>& features, int32_t checkpoint);
  /// For the denoiser's runs between `forward` and `backward`.
  const gesso_grad_sink_t* sink() const { return &sink_; }
  void backward(const CallScope& call, const gesso_grad_sink_t* generator_weights);

 private:
  const Instance& generator_;
  gesso_weights& weights_;
  std::vector<size_t> targets_;  // of the denoiser, one per update
  std::unique_ptr<TapedRun> run_;
  std::vector<at::Tensor> grads_a_, grads_b_;
  gesso_grad_sink_t sink_;
};

}  // namespace gesso::runtime
