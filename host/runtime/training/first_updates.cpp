#include "runtime/training/first_updates.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/config/adapters.hpp"
#include "runtime/delta_reader.hpp"
#include "runtime/training/tensor_files.hpp"

namespace gesso::runtime {
namespace {

/// The tensors of a module: "<module>.lora_A.weight", ...
DeltaTrainer::Named parts_of(const weights::WeightSet& set, const std::string& module) {
  DeltaTrainer::Named parts;
  for (const weights::TensorInfo& info : set.tensors()) {
    if (!info.name.starts_with(module + ".")) continue;
    parts.emplace_back(info.name, tensor_of(set.view(info)).to(at::kFloat).contiguous());
  }
  return parts;
}

}  // namespace

std::map<size_t, FirstUpdate> read_first_updates(const Run& run, const config::LoraPlan& lora,
                                                 const std::vector<size_t>& chosen,
                                                 const DeltaTrainer* trainer) {
  if (lora.checkpoint.empty()) return {};
  const Instance& instance = run.parts.get(lora.role);
  const auto targets = instance.weights()->targets();
  const std::string file = lora.checkpoint.string();
  const auto plan = config::plan_adapter(
      run.plan, {{"path", nlohmann::json::array({file})}, {"role", lora.role}});
  const auto refuse_kind = [&] {
    throw Error(Status::Incompatible,
                fmt::format("{}: lora_checkpoint: expected updates of lora_kind = \"{}\", found a "
                            "file for {}; name the kind that it was trained as",
                            file, lora.kind, plan.source->id));
  };
  if (trainer && plan.source->id != trainer->source()) refuse_kind();
  const ReadAdapter read = read_adapter(run.parts, plan, targets, at::kFloat, run.call);
  static_cast<void>(
      config::tell_unmatched(plan, instance.plan().info->id, read.keys, read.unmatched));

  std::map<size_t, FirstUpdate> found;
  std::map<std::string, size_t> modules;
  for (const ReadDelta& one : read.deltas) {
    const std::string& name = targets[one.target].name;
    if (!std::ranges::binary_search(chosen, one.target)) {
      throw Error(Status::Incompatible,
                  fmt::format("{}: \"{}\" has an update, but is not trained; add it to "
                              "lora_target_modules",
                              file, name));
    }
    FirstUpdate& update = found[one.target];
    if (!trainer) {
      if (!one.delta.a.defined()) refuse_kind();
      update = {one.delta.a.mul(one.delta.scale), one.delta.b, {}};
      continue;
    }
    const auto [other, is_new] = modules.emplace(one.key, one.target);
    if (!is_new) {
      throw Error(Status::NotSupported,
                  fmt::format("{}: \"{}\" is of {} and {} together, which cannot be trained; "
                              "convert the file to single projections",
                              file, one.key, targets[other->second].name, name));
    }
    update.parts = parts_of(*plan.tensors, one.key);
  }
  Event told;
  told.type = Event::Info;
  told.text = fmt::format("lora_checkpoint: {} of {} layers begin as in {}", found.size(),
                          chosen.size(), file);
  run.watch.event(told);
  return found;
}

}  // namespace gesso::runtime
