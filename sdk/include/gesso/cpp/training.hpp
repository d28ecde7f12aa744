// Training of modules: a run that keeps what its way back needs, and the way back.
//
//   class Denoiser : public gesso::Component<Denoiser, gesso::ModuleInterface,
//                                            gesso::TrainingInterface> {
//     static const std::vector<gesso::TrainedOp<Denoiser>>& trained_ops() {
//       static const std::vector<gesso::TrainedOp<Denoiser>> list{{"denoise", &Denoiser::train}};
//       return list;
//     }
//     std::unique_ptr<gesso::Tape> train(const gesso::Call&, const gesso::Inputs&,
//                                        gesso::Outputs&, const gesso::TrainRequest&);
//
// With libtorch, a Trace (training_torch.hpp) is such a tape, made of a plain forward pass.
#pragma once

#include <memory>
#include <utility>

#include "../ext/training.h"
#include "module.hpp"

namespace gesso {

/// What a forward run is asked to keep.
class TrainRequest {
 public:
  TrainRequest(const gesso_op_t& op, const gesso_train_t& raw) : op_(op), raw_(raw) {}
  /// GESSO_CHECKPOINT_*
  int32_t checkpoint() const { return raw_.checkpoint; }
  /// Whether the gradient of this input is wanted.
  bool wants(std::string_view port) const {
    return std::any_of(raw_.grad_ports, raw_.grad_ports + raw_.n_grad_ports, [&](uint32_t place) {
      return place < op_.n_inputs && port == op_.inputs[place]->name;
    });
  }

 private:
  const gesso_op_t& op_;
  const gesso_train_t& raw_;
};

/// Where gradients of weights go; nothing happens when everything is frozen.
class WeightGradients {
 public:
  explicit WeightGradients(const gesso_grad_sink_t* sink) : sink_(sink) {}
  explicit operator bool() const { return sink_ != nullptr; }
  void put(uint32_t unit, uint32_t weight, uint32_t delta_id, uint32_t part, Tensor grad) const {
    if (!sink_) return;
    const gesso_status_t status =
        sink_->accept(sink_, unit, weight, delta_id, part, grad.release());
    if (status != GESSO_STATUS_OK) {
      throw Error(static_cast<Status>(status), "a gradient was not accepted");
    }
  }

 private:
  const gesso_grad_sink_t* sink_;
};

/// The ports of the way back: gradients of outputs come in, those of inputs go out.
class Backward {
 public:
  Backward(const gesso_op_t& op, const gesso_bundle_t* output_grads,
           const gesso_sink_t* input_grads, const gesso_grad_sink_t* weight_grads)
      : weights(weight_grads), op_(op), output_grads_(output_grads), input_grads_(input_grads) {}

  /// Null: this output has no part in the loss.
  const gesso_tensor_t* output_grad(std::string_view port, int32_t index) const {
    for (uint32_t i = 0; output_grads_ && i < output_grads_->count; ++i) {
      const gesso_item_t& item = output_grads_->items[i];
      if (item.index == index && item.port < op_.n_outputs &&
          port == op_.outputs[item.port]->name) {
        return item.tensor;
      }
    }
    return nullptr;
  }
  void put_input_grad(std::string_view port, int32_t index, Tensor grad) const {
    if (!input_grads_) return;
    for (uint32_t i = 0; i < op_.n_inputs; ++i) {
      if (port != op_.inputs[i]->name) continue;
      const gesso_status_t status = input_grads_->accept(input_grads_, i, index, grad.release());
      if (status == GESSO_STATUS_OK) return;
      throw Error(static_cast<Status>(status), "a gradient was not accepted");
    }
  }

  WeightGradients weights;

 private:
  const gesso_op_t& op_;
  const gesso_bundle_t* output_grads_;
  const gesso_sink_t* input_grads_;
};

/// What one forward run kept. Used once, then released.
class Tape {
 public:
  virtual ~Tape() = default;
  virtual void backward(const Call& call, const Backward& ports) = 0;
  virtual uint64_t bytes() const = 0;
};

/// An operation that can be trained, by its name among T's operations.
template <class T>
struct TrainedOp {
  const char* name;
  std::unique_ptr<Tape> (T::*train)(const Call&, const Inputs&, Outputs&, const TrainRequest&);
};

/// "gesso.training/1" over `static const std::vector<TrainedOp<T>>& T::trained_ops()`.
template <class T>
struct TrainingInterface {
  static constexpr const char* id = GESSO_TRAINING_ID;
  static const void* table() {
    static const gesso_training_t t{
        sizeof(gesso_training_t),
        GESSO_CHECKPOINT_NONE | GESSO_CHECKPOINT_BLOCKS | GESSO_CHECKPOINT_BLOCKS_OFFLOADED,
        forward,
        backward,
        tape_bytes,
        tape_release};
    return &t;
  }

 private:
  struct Kept {
    std::unique_ptr<Tape> tape;  // null once it was used
    uint32_t op;
  };

  static const gesso_op_t& description(uint32_t op) {
    const auto& module = *static_cast<const gesso_module_t*>(ModuleInterface<T>::table());
    if (op >= module.n_ops) {
      throw Error(Status::InvalidArgument, "no operation " + std::to_string(op));
    }
    return *module.ops[op];
  }
  static const TrainedOp<T>& trained(const gesso_op_t& op) {
    for (const TrainedOp<T>& one : T::trained_ops()) {
      if (std::string_view(one.name) == op.name) return one;
    }
    throw Error(Status::NotSupported,
                std::string("operation \"") + op.name + "\" cannot be trained");
  }

  static gesso_status_t GESSO_CALL forward(void* self, const gesso_call_t* call,
                                           const gesso_run_t* run, const gesso_train_t* train,
                                           void** tape) {
    return guard(call ? call->error : nullptr, [&] {
      const gesso_op_t& op = description(run->op);
      Outputs outputs(op, *run);
      auto kept = std::make_unique<Kept>();
      kept->op = run->op;
      kept->tape = (static_cast<T*>(self)->*trained(op).train)(Call(call), Inputs(op, *run),
                                                               outputs, TrainRequest(op, *train));
      *tape = kept.release();
    });
  }
  static gesso_status_t GESSO_CALL backward(void*, const gesso_call_t* call, void* tape,
                                            const gesso_bundle_t* output_grads,
                                            const gesso_sink_t* input_grads,
                                            const gesso_grad_sink_t* weight_grads) {
    return guard(call ? call->error : nullptr, [&] {
      Kept& kept = *static_cast<Kept*>(tape);
      if (!kept.tape) throw Error(Status::BadState, "a tape is used once");
      const auto once = std::exchange(kept.tape, nullptr);
      once->backward(Call(call),
                     Backward(description(kept.op), output_grads, input_grads, weight_grads));
    });
  }
  static uint64_t GESSO_CALL tape_bytes(void*, const void* tape) {
    const Kept& kept = *static_cast<const Kept*>(tape);
    return kept.tape ? kept.tape->bytes() : 0;
  }
  static void GESSO_CALL tape_release(void*, void* tape) { delete static_cast<Kept*>(tape); }
};

}  // namespace gesso
