// From gradients to new values: means over the workers, clipping, AdamW, averages.
//
// With zero_stage each worker keeps its share: of the optimizer's states and the averages (1), of
// gradients, too (2). Values are whole on all of them. Everything is the same for any stage and
// number of workers, except for the order in which gradients are added up.
#pragma once

#include <memory>
#include <vector>

#include "engine/config/train_plan.hpp"
#include "runtime/training/adamw.hpp"
#include "runtime/training/gradient_exchange.hpp"
#include "runtime/training/workers.hpp"

namespace gesso::runtime {

class Optimization {
 public:
  /// What is trained gets the values of the first worker. @param sets  must outlive this
  Optimization(Workers& workers, const std::vector<std::unique_ptr<Parameters>>& sets,
               const config::TrainPlan& plan);
  ~Optimization();

  // A micro-batch, in this order:
  void begin_micro_batch(bool ends_step);
  /// After the backward runs. @return the gradients that this worker sends away are finite
  bool send_gradients();
  /// Ends a micro-batch that ends no step.
  void end_micro_batch();
  /// Ends one that does.
  /// @return the length of the gradients before clipping; if it is not finite nothing was changed
  double step(double learning_rate);

  const ParameterList& parameters() const { return parameters_; }
  bool averages() const { return ema_decay_ > 0; }
  /// Whether each worker keeps everything, so that the first can save without the others.
  bool whole() const { return stage_ == 0; }

  // What the first worker has to save, and what it read. All workers call these in the same order.

  /// Optimizer steps that each parameter took.
  std::vector<int64_t> steps();
  /// The first worker's own, or a copy of what another keeps; of no use on others.
  AdamW::State state(size_t index);
  at::Tensor average(size_t index);
  AdamW::State empty_state(size_t index) const { return optimizer_->empty_state(index); }
  /// The first worker gives them to those who keep them; from others only `state.steps` counts.
  void set_state(size_t index, AdamW::State state);
  void set_average(size_t index, const at::Tensor& average);
  /// The values of the first worker for all.
  void share_values();

  /// {"gradient_bytes", "optimizer_bytes"} of this worker.
  uint64_t optimizer_bytes() const;
  uint64_t gradient_bytes() const;

 private:
  uint32_t self() const { return workers_.self().rank; }
  bool keeps(size_t index) const { return whole() || owners_[index] == self(); }
  void broadcast_values();
  void sum_over_workers(std::vector<double>& numbers);
  void hand_out(const at::Tensor& tensor, size_t index);

  Workers& workers_;
  const std::vector<std::unique_ptr<Parameters>>& sets_;
  ParameterList parameters_;
  int32_t stage_;
  double max_norm_, ema_decay_;
  std::vector<Bucket> buckets_;
  std::vector<uint32_t> owners_;  // of each parameter
  std::unique_ptr<GradientExchange> exchange_;
  std::unique_ptr<AdamW> optimizer_;
  std::vector<at::Tensor> averages_;  // one per parameter that is kept here
  bool exchanges_ = false;            // in this micro-batch
};

}  // namespace gesso::runtime
