// What is trained: values in float32 that the host keeps and components see through their weights,
// and the gradients that come back.
#pragma once

#include <ATen/core/Tensor.h>

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "gesso/ext/training.h"
#include "runtime/boundary_clock.hpp"
#include "runtime/instance.hpp"
#include "runtime/training/delta_trainer.hpp"

namespace gesso::runtime {

struct Parameter {
  std::string name;    // below its component: "layers.0.attention.to_q.lora_A.default.weight"
  at::Tensor value;    // float32, contiguous; the optimizer writes it in place
  at::Tensor grad{};   // float32 sum since the last `clear_gradients`; undefined: none came
  at::Tensor shown{};  // what the component computes with where that is no float32
};

/// A low-rank update that is trained: B A, with alpha = rank.
struct TrainedLora {
  size_t target;     // of the weights' targets
  std::string name;  // of the module
  at::Tensor a, b;   // the values of its two parameters
};

/// The trained parameters of one component. Takes them back from it at its end.
class Parameters {
 public:
  explicit Parameters(Instance& instance);
  ~Parameters();
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;

  /// Trains the component's own weights for which `wanted(name)` holds.
  /// @throws Error  NotFound when there are none
  void train_weights(const std::function<bool(const std::string&)>& wanted);
  /// Trains an update of a target; A [rank, in], B [out, rank].
  void train_lora(size_t target, const at::Tensor& a, const at::Tensor& b);
  /// Trains an update of another form, which `trainer` knows: the component sees the whole weight
  /// and gives its gradient. Parts that get none, such as an alpha, stay as they are.
  void train_whole(size_t target, const std::shared_ptr<const DeltaTrainer>& trainer,
                   const DeltaTrainer::Named& update);
  /// Shows what is trained to the component, or what was there before; the values stay.
  void show(bool shown);

  const std::deque<Parameter>& all() const { return parameters_; }
  std::vector<Parameter*> list();
  const std::vector<TrainedLora>& loras() const { return loras_; }
  Instance& instance() const { return instance_; }

  /// Where a component's gradients go. One run at a time.
  const gesso_grad_sink_t* sink() const { return &sink_; }
  /// How long taking gradients over took.
  const BoundaryClock& clock() const { return clock_; }
  /// Called when the first part of a parameter's gradient comes in a backward run, null: nobody.
  std::function<void(Parameter&)> on_gradient;
  void clear_gradients();
  /// The values were written: components see them from now on.
  void publish();

 private:
  using Place = std::tuple<uint32_t, uint32_t, uint32_t, uint32_t>;
  /// An update that is no low-rank one.
  struct Whole {
    DeltaTarget target;
    std::shared_ptr<const DeltaTrainer> trainer;
    std::vector<Parameter*> parts;
    at::Tensor shown;  // the weight with it, in the type that is computed with

    DeltaTrainer::Named update() const;
  };
  void add(const Place& place, std::string name, at::Tensor value);
  void receive(const Place& place, const at::Tensor& grad);
  void receive(const Whole& whole, const at::Tensor& weight_grad);
  void add_gradient(Parameter& parameter, const at::Tensor& grad);
  at::Tensor base_of(const Whole& whole) const;

  Instance& instance_;
  gesso_weights& weights_;
  std::deque<Parameter> parameters_;  // addresses stay
  std::map<Place, Parameter*> by_place_;
  std::vector<TrainedLora> loras_;
  std::vector<std::pair<TrainableWeight, Parameter*>> trained_weights_;
  std::map<Place, Whole> wholes_;
  gesso_grad_sink_t sink_;
  BoundaryClock clock_;
};

}  // namespace gesso::runtime
