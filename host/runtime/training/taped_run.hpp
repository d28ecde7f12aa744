// An operation of a component in training: forward, and the way back ("gesso.training/1").
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "gesso/ext/training.h"
#include "runtime/operation_run.hpp"

namespace gesso::runtime {

class TapedRun {
 public:
  /// @throws Error  NotSupported when the component cannot be trained
  TapedRun(const Instance& instance, std::string_view operation);
  ~TapedRun();
  TapedRun(const TapedRun&) = delete;
  TapedRun& operator=(const TapedRun&) = delete;

  TapedRun& feed(std::string_view port, const std::vector<at::Tensor>& items);
  TapedRun& feed_whole(std::string_view port, const at::Tensor& tensor);
  /// Injectors that were opened for training; they must live as long as this.
  TapedRun& inject(std::vector<const gesso_injector*> injectors);
  /// The gradient of this input will be asked for.
  TapedRun& want(std::string_view port);

  /// @param checkpoint  GESSO_CHECKPOINT_*
  OperationResults forward(const CallScope& call, const ValueList& values, int32_t checkpoint);
  /// Once, after `forward`. Gradients of outputs by port and item; undefined ones have no part.
  /// @param weights  gets those of parameters; null: everything is frozen
  /// @return gradients of the inputs that were wanted
  OperationResults backward(const CallScope& call, const OperationResults& output_grads,
                            const gesso_grad_sink_t* weights);
  uint64_t tape_bytes() const { return tape_ ? table_.tape_bytes(instance_.self(), tape_) : 0; }

 private:
  uint32_t input_place(std::string_view port) const;

  const Instance& instance_;
  const gesso_training_t& table_;
  uint32_t op_place_ = 0;
  const gesso_op_t* op_ = nullptr;
  std::deque<Lent> lent_;
  std::vector<gesso_item_t> inputs_;
  std::vector<const gesso_injector*> injectors_;
  std::vector<uint32_t> wanted_;
  void* tape_ = nullptr;
};

}  // namespace gesso::runtime
