// Reading and changing a denoiser's state at named points, from both sides.
//
// The denoiser names its points and asks at each of them:
//
//   class Denoiser : public gesso::Component<Denoiser, gesso::ModuleInterface,
//                                            gesso::InjectionInterface> {
//     const gesso::PointTable& points() const;
//     ... in a run: for (auto& [item, residual] : injectors_of(inputs).at(call, point, taps)) ...
//
// The controller makes injectors:
//
//   class Control : public gesso::Component<Control, gesso::ModuleInterface,
//                                           gesso::ControllerInterface> {
//     std::unique_ptr<gesso::Injector> open(const gesso::Call&, gesso_tensor_t* context,
//                                           double scale, const gesso::PointList& points);
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../kind/controller.h"
#include "module.hpp"

namespace gesso {

inline constexpr uint32_t kTap = GESSO_POINT_TAP;
inline constexpr uint32_t kAdd = GESSO_POINT_ADD;

struct Point {
  std::string name;
  uint32_t flags;
  std::vector<Port> taps = {};
};

/// A denoiser's points and their C structs; not copied after it was made.
class PointTable {
 public:
  PointTable() = default;
  explicit PointTable(std::vector<Point> points) : points_(std::move(points)) {
    for (const Point& point : points_) {
      auto& list = lists_.emplace_back();
      for (const Port& tap : point.taps) {
        ports_.push_back({sizeof(gesso_port_t), tap.flags, tap.name, tap.dims, tap.dtypes});
        list.push_back(&ports_.back());
      }
      raw_.push_back(
          {sizeof(gesso_point_t), point.flags, point.name.c_str(), list.data(), list.size()});
      pointers_.push_back(&raw_.back());
    }
  }
  PointTable(const PointTable&) = delete;
  PointTable& operator=(const PointTable&) = delete;

  const gesso_point_t* const* data() const { return pointers_.data(); }
  uint32_t size() const { return static_cast<uint32_t>(pointers_.size()); }

 private:
  std::vector<Point> points_;
  std::deque<gesso_port_t> ports_;
  std::deque<std::vector<const gesso_port_t*>> lists_;
  std::deque<gesso_point_t> raw_;
  std::vector<const gesso_point_t*> pointers_;
};

/// "gesso.injection/1" over `const PointTable& T::points() const`.
template <class T>
struct InjectionInterface {
  static constexpr const char* id = GESSO_INJECTION_ID;
  static const void* table() {
    static const gesso_injection_t t{sizeof(gesso_injection_t), 0, points};
    return &t;
  }
  static gesso_status_t GESSO_CALL points(void* self, const gesso_point_t* const** points,
                                          uint32_t* count, gesso_error_t* error) {
    return guard(error, [&] {
      const PointTable& made = static_cast<const T*>(self)->points();
      *points = made.data();
      *count = made.size();
    });
  }
};

/// The points of a denoiser, as a controller sees them.
class PointList {
 public:
  PointList(const gesso_point_t* const* points, uint64_t count) : points_(points), count_(count) {}

  /// @throws Error  Incompatible when there is no such point, or it lacks one of `flags`
  uint32_t place_of(std::string_view name, uint32_t flags) const {
    for (uint64_t i = 0; i < count_; ++i) {
      if (name != points_[i]->name) continue;
      if ((points_[i]->flags & flags) == flags) return static_cast<uint32_t>(i);
      break;
    }
    throw Error(Status::Incompatible, "the denoiser has no point \"" + std::string(name) +
                                          "\" for this; is it another model's ControlNet?");
  }
  /// @throws Error  Incompatible when the point has no such tap
  uint32_t tap_of(uint32_t point, std::string_view name) const {
    for (uint64_t i = 0; i < points_[point]->n_taps; ++i) {
      if (name == points_[point]->taps[i]->name) return static_cast<uint32_t>(i);
    }
    throw Error(Status::Incompatible, std::string("the denoiser's point \"") +
                                          points_[point]->name + "\" has no tap \"" +
                                          std::string(name) + "\"");
  }

 private:
  const gesso_point_t* const* points_;
  uint64_t count_;
};

/// What can be read at a point. Tensors are borrowed for the call.
class Taps {
 public:
  explicit Taps(const gesso_bundle_t* bundle) : bundle_(bundle) {}
  /// The tensors of one tap, one per item, in order.
  std::vector<const gesso_tensor_t*> list(uint32_t tap) const {
    std::vector<const gesso_tensor_t*> found;
    for (uint32_t i = 0; bundle_ && i < bundle_->count; ++i) {
      if (bundle_->items[i].port == tap) found.push_back(bundle_->items[i].tensor);
    }
    return found;
  }

 private:
  const gesso_bundle_t* bundle_;
};

/// Where residuals go.
class Residuals {
 public:
  explicit Residuals(const gesso_sink_t* sink) : sink_(sink) {}
  void put(int32_t item, Tensor residual) const {
    const gesso_status_t status = sink_->accept(sink_, 0, item, residual.release());
    if (status != GESSO_STATUS_OK) {
      throw Error(static_cast<Status>(status), "the residual was not accepted");
    }
  }

 private:
  const gesso_sink_t* sink_;
};

/// What a controller makes of one context.
class Injector {
 public:
  virtual ~Injector() = default;
  /// Places in the denoiser's list at which `at` is called, rising.
  virtual const std::vector<uint32_t>& points() const = 0;
  virtual void at(const Call& call, uint32_t point, const Taps& taps,
                  const Residuals& residuals) = 0;
};

/// "gesso.controller/1". T has `open` as above.
template <class T>
struct ControllerInterface {
  static constexpr const char* id = GESSO_CONTROLLER_ID;
  static const void* table() {
    static const gesso_controller_t t{sizeof(gesso_controller_t), 0, open, close};
    return &t;
  }

 private:
  struct Opened {
    gesso_injector_t table{};
    std::unique_ptr<Injector> injector;
  };
  static gesso_status_t GESSO_CALL open(void* self, const gesso_call_t* call,
                                        gesso_tensor_t* context, double scale,
                                        const gesso_point_t* const* points, uint64_t n_points,
                                        const gesso_injector_t** out) {
    return guard(call ? call->error : nullptr, [&] {
      auto opened = std::make_unique<Opened>();
      opened->injector =
          static_cast<T*>(self)->open(Call(call), context, scale, PointList(points, n_points));
      const auto& places = opened->injector->points();
      opened->table = {sizeof(gesso_injector_t),
                       static_cast<uint32_t>(places.size()),
                       opened.get(),
                       places.data(),
                       at,
                       nullptr};
      *out = &opened.release()->table;
    });
  }
  static gesso_status_t GESSO_CALL at(const gesso_injector_t* injector, const gesso_call_t* call,
                                      uint32_t point, const gesso_bundle_t* taps,
                                      const gesso_sink_t* residuals) {
    return guard(call ? call->error : nullptr, [&] {
      static_cast<Opened*>(injector->data)
          ->injector->at(Call(call), point, Taps(taps), Residuals(residuals));
    });
  }
  static void GESSO_CALL close(void*, const gesso_injector_t* injector) {
    delete static_cast<Opened*>(injector->data);
  }
};

/// The injectors of one run, as a denoiser calls them.
class Injectors {
 public:
  struct Residual {
    int32_t item;
    Tensor tensor;
  };
  Injectors() = default;
  explicit Injectors(const gesso_run_t& run)
      : injectors_(run.injectors), count_(run.injectors ? run.n_injectors : 0) {}

  /// Whether anybody wants to be called at this point; taps need not be made otherwise.
  bool wants(uint32_t point) const {
    return std::any_of(injectors_, injectors_ + count_,
                       [&](const gesso_injector_t* i) { return stops_at(*i, point); });
  }
  /// Residuals in the order of the injectors. @throws Error with the injector's text
  std::vector<Residual> at(const Call& call, uint32_t point,
                           const std::vector<gesso_item_t>& taps) const {
    std::vector<Residual> residuals;
    const gesso_bundle_t bundle{sizeof(gesso_bundle_t), static_cast<uint32_t>(taps.size()),
                                taps.data()};
    const gesso_sink_t sink{sizeof(gesso_sink_t), 0, &residuals, accept};
    for (uint64_t i = 0; i < count_; ++i) {
      if (!stops_at(*injectors_[i], point)) continue;
      check_call(injectors_[i]->at(injectors_[i], call.get(), point, &bundle, &sink), call.get());
    }
    return residuals;
  }

 private:
  static bool stops_at(const gesso_injector_t& injector, uint32_t point) {
    return std::binary_search(injector.points, injector.points + injector.n_points, point);
  }
  static gesso_status_t GESSO_CALL accept(const gesso_sink_t* sink, uint32_t, int32_t item,
                                          gesso_tensor_t* tensor) {
    Tensor owned(tensor);
    return guard(nullptr, [&] {
      static_cast<std::vector<Residual>*>(sink->data)->push_back({item, std::move(owned)});
    });
  }
  const gesso_injector_t* const* injectors_ = nullptr;
  uint64_t count_ = 0;
};

inline Injectors injectors_of(const Inputs& inputs) { return Injectors(inputs.raw()); }

}  // namespace gesso
