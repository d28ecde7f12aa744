// What the host gives to a component: log, services, weights, and the request under way.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../host.h"
#include "../plugin.h"
#include "../service/components.h"
#include "../service/weights.h"
#include "error.hpp"
#include "tensor.hpp"
#include "value.hpp"

namespace gesso {

/// The host as one component sees it.
class Host {
 public:
  Host() = default;
  explicit Host(const gesso_host_t* host) : host_(host) {}
  const gesso_host_t* get() const { return host_; }

  void log(int32_t level, const std::string& text) const {
    if (host_ && host_->log) host_->log(host_, level, text.c_str());
  }
  void warn(const std::string& text) const { log(GESSO_LOG_WARNING, text); }

  /// @throws Error NotSupported when the host has no such service
  template <class Table>
  const Table& service(const char* id) const {
    const void* table = host_ ? host_->get_service(host_, id) : nullptr;
    if (!table) {
      throw Error(Status::NotSupported, std::string("this host has no service \"") + id + "\"");
    }
    return *static_cast<const Table*>(table);
  }

  /// The component of this pipeline that fills `role`, borrowed for the current call.
  gesso_component_t* sibling(const char* role) const {
    const auto& components = service<gesso_components_service_t>(GESSO_COMPONENTS_ID);
    ErrorText text;
    gesso_component_t* found = nullptr;
    check(components.find(host_, role, &found, &text.error), text);
    return found;
  }

 private:
  const gesso_host_t* host_ = nullptr;
};

/// The request under way.
class Call {
 public:
  explicit Call(const gesso_call_t* call) : call_(call) {}
  const gesso_call_t* get() const { return call_; }
  bool cancelled() const { return call_ && call_->cancelled && call_->cancelled(call_); }
  /// To be asked at least once per block. @throws Error Cancelled
  void poll() const {
    if (cancelled()) throw Error(Status::Cancelled, "cancelled");
  }
  void progress(uint64_t done, uint64_t total, const char* what) const {
    if (call_ && call_->progress) call_->progress(call_, done, total, what);
  }
  bool deterministic() const { return call_ && (call_->flags & GESSO_CALL_DETERMINISTIC); }

 private:
  const gesso_call_t* call_;
};

/// Turns the failure of a call that got `call` into an exception with its text.
inline void check_call(gesso_status_t status, const gesso_call_t* call) {
  if (status == GESSO_STATUS_OK) return;
  const gesso_error_t* error = call ? call->error : nullptr;
  throw Error(static_cast<Status>(status),
              error && error->text && error->length ? error->text : "no text was given");
}

struct WeightRequest {
  std::string name;
  std::vector<int64_t> shape;              // -1: any extent
  uint32_t flags = 0;                      // GESSO_WEIGHT_*
  DLDataType dtype{0, 0, 1};               // bits 0: the policy's compute type
  const char* const* encodings = nullptr;  // beside "plain", ended by nullptr
};

struct WeightInfo {
  std::vector<int64_t> shape;
  DLDataType dtype;
};

/// A group of weights that are used together; valid while its component lives.
class Unit {
 public:
  /// Keeps the unit where it is until the end of its life.
  class Guard {
   public:
    Guard(const gesso_weights_service_t& service, gesso_weights_t* weights, uint32_t id,
          const gesso_call_t* call)
        : service_(service), weights_(weights), id_(id) {
      view_.struct_size = sizeof view_;
      check_call(service_.enter(weights_, call, id_, &view_), call);
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { service_.leave(weights_, id_); }

    uint32_t size() const { return view_.count; }
    const gesso_weight_view_t& operator[](uint32_t place) const { return view_.weights[place]; }
    uint64_t generation() const { return view_.generation; }
    uint64_t delta_generation() const { return view_.delta_generation; }

   private:
    const gesso_weights_service_t& service_;
    gesso_weights_t* weights_;
    uint32_t id_;
    gesso_unit_view_t view_{};
  };

  Unit() = default;
  Unit(const gesso_weights_service_t* service, gesso_weights_t* weights, uint32_t id)
      : service_(service), weights_(weights), id_(id) {}
  Guard enter(const Call& call) const { return Guard(*service_, weights_, id_, call.get()); }
  void prefetch() const { service_->prefetch(weights_, id_); }
  uint32_t id() const { return id_; }

 private:
  const gesso_weights_service_t* service_ = nullptr;
  gesso_weights_t* weights_ = nullptr;
  uint32_t id_ = 0;
};

/// The weights of one component.
class Weights {
 public:
  Weights() = default;
  Weights(const gesso_weights_service_t* service, gesso_weights_t* weights)
      : service_(service), weights_(weights) {}
  explicit operator bool() const { return weights_ != nullptr; }

  /// Nothing when the file has no such weight.
  std::optional<WeightInfo> find(const std::string& name) const {
    DLTensor meta{};
    ErrorText text;
    const gesso_status_t status = service_->describe(weights_, name.c_str(), &meta, &text.error);
    if (status == GESSO_STATUS_NOT_FOUND) return std::nullopt;
    check(status, text);
    return WeightInfo{{meta.shape, meta.shape + meta.ndim}, meta.dtype};
  }

  /// @throws Error NotFound naming the weight
  WeightInfo describe(const std::string& name) const {
    auto info = find(name);
    if (!info) throw Error(Status::NotFound, "weight \"" + name + "\" is missing");
    return *info;
  }

  Unit declare(const std::string& unit, const std::vector<WeightRequest>& requests) const {
    std::vector<gesso_weight_request_t> raw(requests.size());
    std::vector<const gesso_weight_request_t*> list;
    for (size_t i = 0; i < requests.size(); ++i) {
      const WeightRequest& r = requests[i];
      raw[i] = {sizeof(gesso_weight_request_t),       r.flags, r.name.c_str(), r.shape.data(),
                static_cast<int32_t>(r.shape.size()), r.dtype, r.encodings};
      list.push_back(&raw[i]);
    }
    ErrorText text;
    uint32_t id = 0;
    check(service_->declare(weights_, unit.c_str(), list.data(), static_cast<uint32_t>(list.size()),
                            &id, &text.error),
          text);
    return Unit(service_, weights_, id);
  }

 private:
  const gesso_weights_service_t* service_ = nullptr;
  gesso_weights_t* weights_ = nullptr;
};

}  // namespace gesso
