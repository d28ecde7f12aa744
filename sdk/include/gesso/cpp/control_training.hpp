// ControlNets in training, from both sides: the controller's injector with its way back, and the
// denoiser's calls at its points in reverse order.
//
//   class Control : public gesso::Component<Control, gesso::ModuleInterface,
//                                           gesso::ControllerInterface,
//                                           gesso::ControlTrainingInterface> {
//     std::unique_ptr<gesso::TrainedInjector> open_training(
//         const gesso::Call&, gesso_tensor_t* context, double scale, const gesso::PointList&,
//         const gesso::ControlTraining&);
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "../ext/control_training.h"
#include "injection.hpp"
#include "training.hpp"

namespace gesso {

/// Gradients of residuals, by item; null where there is none.
class ResidualGradients {
 public:
  explicit ResidualGradients(const gesso_bundle_t* bundle) : bundle_(bundle) {}
  const gesso_tensor_t* of(int32_t item) const {
    for (uint32_t i = 0; bundle_ && i < bundle_->count; ++i) {
      if (bundle_->items[i].index == item) return bundle_->items[i].tensor;
    }
    return nullptr;
  }

 private:
  const gesso_bundle_t* bundle_;
};

/// Where gradients of taps go.
class TapGradients {
 public:
  explicit TapGradients(const gesso_sink_t* sink) : sink_(sink) {}
  void put(uint32_t tap, int32_t item, Tensor grad) const {
    if (!sink_) return;
    const gesso_status_t status = sink_->accept(sink_, tap, item, grad.release());
    if (status != GESSO_STATUS_OK) {
      throw Error(static_cast<Status>(status), "a gradient was not accepted");
    }
  }

 private:
  const gesso_sink_t* sink_;
};

/// How an injector is opened for training.
struct ControlTraining {
  int32_t checkpoint;  ///< GESSO_CHECKPOINT_*
  WeightGradients weights;
};

class TrainedInjector : public Injector {
 public:
  /// The way back of `at`, at every point in reverse order.
  virtual void back(const Call& call, uint32_t point, const ResidualGradients& residuals,
                    const TapGradients& taps) = 0;
};

/// "gesso.control-training/1". T has `open_training` as above.
template <class T>
struct ControlTrainingInterface {
  static constexpr const char* id = GESSO_CONTROL_TRAINING_ID;
  static const void* table() {
    static const gesso_control_training_t t{
        sizeof(gesso_control_training_t),
        GESSO_CHECKPOINT_NONE | GESSO_CHECKPOINT_BLOCKS | GESSO_CHECKPOINT_BLOCKS_OFFLOADED, open,
        close};
    return &t;
  }

 private:
  struct Opened {
    gesso_injector_t table{};
    std::unique_ptr<TrainedInjector> injector;
  };
  static TrainedInjector& of(const gesso_injector_t* injector) {
    return *static_cast<Opened*>(injector->data)->injector;
  }
  static gesso_status_t GESSO_CALL open(void* self, const gesso_call_t* call,
                                        gesso_tensor_t* context, double scale,
                                        const gesso_point_t* const* points, uint64_t n_points,
                                        int32_t checkpoint, const gesso_grad_sink_t* weight_grads,
                                        const gesso_injector_t** out) {
    return guard(call ? call->error : nullptr, [&] {
      auto opened = std::make_unique<Opened>();
      opened->injector = static_cast<T*>(self)->open_training(
          Call(call), context, scale, PointList(points, n_points),
          {checkpoint, WeightGradients(weight_grads)});
      const auto& places = opened->injector->points();
      opened->table = {sizeof(gesso_injector_t),
                       static_cast<uint32_t>(places.size()),
                       opened.get(),
                       places.data(),
                       at,
                       back};
      *out = &opened.release()->table;
    });
  }
  static gesso_status_t GESSO_CALL at(const gesso_injector_t* injector, const gesso_call_t* call,
                                      uint32_t point, const gesso_bundle_t* taps,
                                      const gesso_sink_t* residuals) {
    return guard(call ? call->error : nullptr,
                 [&] { of(injector).at(Call(call), point, Taps(taps), Residuals(residuals)); });
  }
  static gesso_status_t GESSO_CALL back(const gesso_injector_t* injector, const gesso_call_t* call,
                                        uint32_t point, const gesso_bundle_t* residual_grads,
                                        const gesso_sink_t* tap_grads) {
    return guard(call ? call->error : nullptr, [&] {
      of(injector).back(Call(call), point, ResidualGradients(residual_grads),
                        TapGradients(tap_grads));
    });
  }
  static void GESSO_CALL close(void*, const gesso_injector_t* injector) {
    delete static_cast<Opened*>(injector->data);
  }
};

/// The injectors of one training run, as a denoiser calls them; kept by its tape.
class TrainedInjectors {
 public:
  TrainedInjectors() = default;
  explicit TrainedInjectors(const gesso_run_t& run) {
    if (run.injectors) list_.assign(run.injectors, run.injectors + run.n_injectors);
  }
  bool empty() const { return list_.empty(); }
  /// Whether anybody wants to be called at this point.
  bool wants(uint32_t point) const {
    return std::any_of(list_.begin(), list_.end(),
                       [&](const gesso_injector_t* i) { return stops_at(*i, point); });
  }
  /// Whether anybody wants to be called at this point on the way back, too.
  bool wants_back(uint32_t point) const {
    return std::any_of(list_.begin(), list_.end(),
                       [&](const gesso_injector_t* i) { return i->back && stops_at(*i, point); });
  }

  struct Given {
    uint32_t port;  // of `at` 0, of `back` the tap
    int32_t item;
    Tensor tensor;
  };
  /// Residuals in the order of the injectors. @throws Error with the injector's text
  std::vector<Given> at(const Call& call, uint32_t point,
                        const std::vector<gesso_item_t>& taps) const {
    std::vector<Given> residuals;
    const gesso_bundle_t bundle = bundle_of(taps);
    const gesso_sink_t sink{sizeof(gesso_sink_t), 0, &residuals, accept};
    for (const gesso_injector_t* injector : list_) {
      if (!stops_at(*injector, point)) continue;
      check_call(injector->at(injector, call.get(), point, &bundle, &sink), call.get());
    }
    return residuals;
  }
  /// Gradients of taps; the last injector first. @throws Error with the injector's text
  std::vector<Given> back(const Call& call, uint32_t point,
                          const std::vector<gesso_item_t>& residual_grads) const {
    std::vector<Given> grads;
    const gesso_bundle_t bundle = bundle_of(residual_grads);
    const gesso_sink_t sink{sizeof(gesso_sink_t), 0, &grads, accept};
    for (auto it = list_.rbegin(); it != list_.rend(); ++it) {
      const gesso_injector_t* injector = *it;
      if (!injector->back || !stops_at(*injector, point)) continue;
      check_call(injector->back(injector, call.get(), point, &bundle, &sink), call.get());
    }
    return grads;
  }

 private:
  static gesso_bundle_t bundle_of(const std::vector<gesso_item_t>& items) {
    return {sizeof(gesso_bundle_t), static_cast<uint32_t>(items.size()), items.data()};
  }
  static bool stops_at(const gesso_injector_t& injector, uint32_t point) {
    return std::binary_search(injector.points, injector.points + injector.n_points, point);
  }
  static gesso_status_t GESSO_CALL accept(const gesso_sink_t* sink, uint32_t port, int32_t item,
                                          gesso_tensor_t* tensor) {
    Tensor owned(tensor);
    return guard(nullptr, [&] {
      static_cast<std::vector<Given>*>(sink->data)->push_back({port, item, std::move(owned)});
    });
  }
  std::vector<const gesso_injector_t*> list_;
};

}  // namespace gesso
