// The memory of a loaded pipeline: the policy's decisions, kept for real weights.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/activations.hpp"
#include "runtime/loader.hpp"
#include "runtime/parts.hpp"
#include "runtime/residency.hpp"
#include "runtime/timeline.hpp"

namespace gesso::runtime {

class Memory {
 public:
  /// Gets a plan for every unit of every component. Nothing is read yet.
  /// @throws Error  the policy's own; NotSupported for a place that this machine cannot serve
  Memory(const config::PipelinePlan& plan, const Parts& parts);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// A job begins: counts start anew; the first one is told what the policy had to say.
  /// @throws Error  naming the component whose file was changed since it was opened
  void begin(const Watch& watch);
  /// Another component begins its part; "": all is done.
  void enter_phase(const std::string& role) { residency_->enter_phase(role); }
  /// Room for the activations of an operation of `role`. @throws Error OutOfMemory
  void reserve(const std::string& role, uint64_t bytes, const std::string& what) {
    residency_->reserve(role, bytes, what);
  }
  Timeline& timeline() { return timeline_; }
  /// While a job runs, `meter` tells what its tensors take; null: nobody looks.
  void measure(const ActivationMeter* meter) { meter_ = meter; }

  /// What this job has moved: {"policy", "devices": {name: ...}, "moved": {role: ...}, ...}.
  nlohmann::json report() const;

 private:
  const Parts& parts_;
  std::string policy_;
  std::vector<Event> remarks_;  // of the policy while it planned
  const ActivationMeter* meter_ = nullptr;
  Timeline timeline_;
  Loader loader_;
  std::unique_ptr<Residency> residency_;
};

/// The policy's component as `Residency` wants it.
PolicyRef policy_ref(const Instance& policy);
/// Every unit of every component, in the order of the roles; the stores are the components' own.
std::vector<ResidentUnit> resident_units(const Parts& parts);
/// The devices that are computed on, each with `limit`; of main memory with a limit, what this
/// process holds now counts.
std::map<std::string, DeviceAccount> device_accounts(const config::PipelinePlan& plan,
                                                     uint64_t limit);
/// `vram_limit` of [memory] in bytes; 0: none.
uint64_t memory_limit(const config::PipelinePlan& plan);
SimSettings sim_settings(const config::PipelinePlan& plan);
/// Understands a place of a plan. @throws Error Internal, InvalidArgument or NotSupported
Place understand(const gesso_place_t& place, Devices& devices);

}  // namespace gesso::runtime
