// One request under way: what every stage of it needs.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "runtime/adapters.hpp"
#include "runtime/memory.hpp"
#include "runtime/parts.hpp"
#include "runtime/report.hpp"
#include "runtime/stages.hpp"

namespace gesso::runtime {

/// What a run leaves behind besides pictures; tests compare it with the reference.
struct Trace {
  std::map<std::string, at::Tensor> tensors;  // "noise.0", "latents.0.3", "prediction.0.0", ...
};

struct Run {
  const config::PipelinePlan& plan;
  const Parts& parts;
  Memory& memory;
  Adapters& adapters;
  const GenerateRequest& request;
  const Watch& watch;
  const CallScope& call;
  Report& report;
  Trace* trace;                    // null: nobody looks
  std::vector<StageNeed> needs{};  // where memory is limited

  /// A stage begins; the component of `role` does its work.
  void begin(const std::string& stage, const std::string& role) const {
    call.poll();
    report.begin(stage);
    memory.enter_phase(role);
    for (const StageNeed& need : needs) {
      if (need.name != stage || need.phase != role || need.roles.empty()) continue;
      return memory.reserve(need.roles.front(), need.activations, stage);
    }
  }
  void keep(const std::string& name, const at::Tensor& tensor) const {
    if (trace) trace->tensors[name] = tensor.clone();
  }
  bool as_reference() const { return plan.numerics == "diffsynth"; }
  /// Of noise, latents and guidance.
  at::ScalarType state_type() const {
    return as_reference() ? compute_type("denoiser") : at::kFloat;
  }
  at::ScalarType compute_type(const std::string& role) const {
    return parts.get(role).plan().dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  }
  bool guided() const { return request.cfg_scale != 1.0; }
};

}  // namespace gesso::runtime
