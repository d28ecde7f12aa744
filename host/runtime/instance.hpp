// One component of a pipeline: its host, its weights, its life from create to destroy.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "engine/config/pipeline_plan.hpp"
#include "gesso/cpp/host.hpp"
#include "gesso/cpp/value.hpp"
#include "runtime/boundary_clock.hpp"
#include "runtime/component_weights.hpp"
#include "runtime/runtime.hpp"

namespace gesso::runtime {

class Siblings;

/// Sends what plugins say to the job that is running; safe from any thread.
class Messages {
 public:
  void attach(const Watch* watch) { watch_ = watch; }
  void log(int32_t level, const std::string& text) const;

 private:
  std::atomic<const Watch*> watch_ = nullptr;
};

/// The C struct of one request, with room for the error's text.
class CallScope {
 public:
  explicit CallScope(const Watch& watch, uint32_t flags = GESSO_CALL_DETERMINISTIC);
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;
  const gesso_call_t* get() const { return &call_; }
  void poll() const { Call(&call_).poll(); }

 private:
  ErrorText text_;
  gesso_call_t call_;
};

class Instance {
 public:
  /// Creates and prepares. `siblings`, `messages` and `devices` must outlive it.
  Instance(const config::PipelinePlan& pipeline, const config::ComponentPlan& plan,
           const Siblings& siblings, const Messages& messages, Devices& devices,
           BoundaryClock& clock);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const std::string& role() const { return plan_.role; }
  const config::ComponentPlan& plan() const { return plan_; }
  gesso_component_t* component() const { return component_; }
  gesso_weights* weights() const { return weights_.get(); }

  /// A table by id. @throws Error NotSupported when the component has none
  template <class Table>
  const Table& interface(const char* id) const {
    const void* table = component_->get_interface(component_->self, id);
    if (!table) missing_interface(id);
    return *static_cast<const Table*>(table);
  }
  template <class Table>
  const Table* find_interface(const char* id) const {
    return static_cast<const Table*>(component_->get_interface(component_->self, id));
  }
  void* self() const { return component_->self; }

 private:
  struct HostSide;
  [[noreturn]] void missing_interface(const char* id) const;

  config::ComponentPlan plan_;
  std::unique_ptr<HostSide> host_;
  std::unique_ptr<gesso_weights> weights_;
  gesso_component_t* component_ = nullptr;
};

/// The components of a pipeline by role.
class Siblings {
 public:
  virtual ~Siblings() = default;
  virtual Instance* find(const std::string& role) const = 0;
  virtual std::string roles() const = 0;  // for messages
};

}  // namespace gesso::runtime
