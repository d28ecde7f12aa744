#include "engine/api/lora_jobs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/config/adapters.hpp"
#include "engine/registry/adapter_keys.hpp"
#include "engine/weights/diff.hpp"
#include "engine/weights/layout_writer.hpp"
#include "engine/weights/lora_file.hpp"
#include "engine/weights/memory.hpp"
#include "engine/weights/spelling.hpp"

namespace gesso::api {

using nlohmann::json;
using runtime::AdapterFile;
using runtime::AdapterTarget;
using weights::DType;
using weights::LoraModule;
using weights::LowRankUpdate;
using weights::NamedShape;
namespace fs = std::filesystem;

namespace {

/// @param known  whether the shapes mean something
std::vector<AdapterTarget> targets_among(std::span<const NamedShape> canonical, bool known) {
  std::vector<AdapterTarget> targets;
  for (const NamedShape& weight : canonical) {
    if (!weights::is_lora_target(weight)) continue;
    targets.push_back({std::string(weights::module_of(weight.name)), 0, 0});
    if (!known) continue;
    targets.back().out_features = weight.shape[0];
    targets.back().in_features = weight.shape[1];
  }
  return targets;
}

struct OpenedLora {
  std::unique_ptr<AdapterFile> file;
  config::AdapterPlan plan;
  double scale = 1;
};

config::AdapterPlan plan_of(const LoraInput& lora, const LoraWork& work, bool allow_unmatched) {
  config::AdapterPlan plan = config::plan_adapter_file(std::span(&lora.path, 1), *work.registry);
  plan.strict = !allow_unmatched;
  return plan;
}

void tell_unmatched(const OpenedLora& lora, const std::string& component, Job& job) {
  const std::string remark =
      config::tell_unmatched(lora.plan, component, lora.file->keys(), lora.file->unmatched());
  if (!remark.empty()) job.warn(remark);
}

/// The component whose weights most keys of the files are for, and the files, opened for it.
struct Fitting {
  const registry::ComponentInfo* component = nullptr;
  std::vector<NamedShape> canonical;
  std::vector<OpenedLora> loras;
};

bool may_have_loras(const registry::ComponentInfo& component, const std::string& wanted) {
  if (!component.pattern) return false;
  if (!wanted.empty()) return component.id == wanted;
  return component.kind == "denoiser" || component.kind == "text_encoder";
}

Fitting fitting_component(const LoraWork& work, const std::vector<LoraInput>& loras,
                          const LoraOptions& options) {
  if (!options.component.empty()) work.registry->component(options.component);
  Fitting best;
  size_t most = 0;
  for (const registry::ComponentInfo& component : work.registry->components()) {
    if (!may_have_loras(component, options.component)) continue;
    Fitting one{&component, {}, {}};
    std::vector<std::string> names;
    for (const LoraInput& lora : loras) {
      one.loras.push_back({nullptr, plan_of(lora, work, options.allow_unmatched), lora.scale});
      std::ranges::copy(one.loras.back().plan.tensors->names(), std::back_inserter(names));
    }
    one.canonical = weights::possible_weights(*component.pattern, names);
    const auto targets = targets_among(one.canonical, /*known=*/false);
    size_t matched = 0;
    for (OpenedLora& lora : one.loras) {
      lora.file = work.tools().open(lora.plan, work.registry, targets);
      matched += lora.file->keys() - lora.file->unmatched().size();
    }
    if (best.component && matched <= most) continue;
    most = matched;
    best = std::move(one);
  }
  if (!best.component) {
    throw Error(Status::NotFound, "no component is there whose weights a LoRA could update");
  }
  for (const OpenedLora& lora : best.loras) tell_unmatched(lora, best.component->id, work.job);
  return best;
}

std::optional<DType> wanted_type(const std::string& format) {
  if (format.empty()) return std::nullopt;
  if (format == "f32") return DType::F32;
  if (format == "bf16") return DType::BF16;
  if (format == "f16") return DType::F16;
  throw Error(Status::InvalidArgument,
              fmt::format("convert: a LoRA is stored as f32, bf16 or f16, not as {}", format));
}

/// What is lost, over all modules.
struct ErrorSum {
  double error = 0, size = 0;
  void add(const weights::Factors& factors) {
    error += factors.error;
    size += factors.size;
  }
  double relative() const { return size > 0 ? std::sqrt(error / size) : 0; }
};

weights::DownUp parts_of(weights::Factors&& factors, ErrorSum& sum) {
  sum.add(factors);
  return {std::move(factors.down), std::move(factors.up)};
}

/// The updates of all files, by module.
std::map<std::string, std::vector<LowRankUpdate>> updates_of(const std::vector<OpenedLora>& loras) {
  std::map<std::string, std::vector<LowRankUpdate>> by_module;
  for (const OpenedLora& lora : loras) {
    for (LowRankUpdate& update : lora.file->low_rank()) {
      update.scale *= lora.scale;
      by_module[update.module].push_back(std::move(update));
    }
  }
  return by_module;
}

LoraModule reduced(std::vector<LowRankUpdate> updates, DType type, int64_t rank,
                   const LoraWork& work, const std::shared_ptr<ErrorSum>& sum) {
  LoraModule module = weights::concatenated(updates, type);
  if (module.rank <= rank) return module;
  module.rank = std::min({rank, module.out, module.in});
  module.scale = 1;
  module.rounded = false;
  module.down.reset();
  module.make = [updates = std::move(updates), type, rank, tools = work.tools, sum] {
    return parts_of(tools().factorise(updates, rank, type), *sum);
  };
  return module;
}

json write(const LoraWork& work, const std::vector<LoraModule>& modules,
           const registry::ComponentInfo& component, std::span<const NamedShape> canonical,
           const std::map<std::string, std::string>& metadata, const LoraOptions& options) {
  const weights::LoraDialect& dialect = options.dialect.empty()
                                            ? weights::lora_dialects().front()
                                            : weights::find_lora_dialect(options.dialect);
  const weights::LoraNames names(dialect, *component.pattern, canonical,
                                 component.kind == "text_encoder");
  ByteProgress progress(work.job, "convert");
  progress.start_stage();
  const auto written =
      weights::write_lora(options.output, modules, names, metadata,
                          [&](uint64_t done, uint64_t total, const std::string& name) {
                            work.job.check_cancelled();
                            progress.show(done, total, name);
                          });
  if (written.rounded > 0) {
    work.job.warn(
        fmt::format("{} of {} modules: up parts were multiplied by alpha / rank and "
                    "rounded; format f32 keeps more digits",
                    written.rounded, written.modules));
  }
  std::set<int64_t> ranks;
  for (const LoraModule& module : modules) ranks.insert(module.rank);
  return {{"files", {options.output.string()}},
          {"component", component.id},
          {"to", {{"dialect", dialect.name}}},
          {"modules", written.modules},
          {"ranks", ranks},
          {"rounded", written.rounded},
          {"error", nullptr},
          {"left_out", json::array()},
          {"bytes_after", written.bytes}};
}

/// Weights of a checkpoint by canonical name.
std::map<std::string, weights::StoredWeight> canonical_weights(const weights::WeightSet& set,
                                                               const Recognised& found) {
  std::map<std::string, weights::StoredWeight> list;
  const auto& layout = weights::find_layout(*found.component->pattern, found.match.layout);
  for (const weights::SpelledTensor& tensor : weights::spell(set, layout, found.match.prefix)) {
    list.emplace(tensor.name, weights::stored_of(set, tensor));
  }
  return list;
}

/// tuned - base, in float32.
weights::TensorView difference(const weights::StoredWeight& tuned,
                               const weights::StoredWeight& base) {
  const auto decoded = [](const weights::StoredWeight& weight) {
    const auto memory = weights::allocate(static_cast<size_t>(weight.elements()) * sizeof(float));
    weights::decode_into(weight, DType::F32, memory.bytes);
    return memory;
  };
  const weights::Memory result = decoded(tuned), minus = decoded(base);
  auto* to = reinterpret_cast<float*>(result.bytes.data());
  const auto* from = reinterpret_cast<const float*>(minus.bytes.data());
  for (int64_t i = 0; i < tuned.elements(); ++i) to[i] -= from[i];
  return {DType::F32, tuned.shape, result.bytes, result.owner};
}

/// Whatever the formats are.
bool same_values(const weights::StoredWeight& a, const weights::StoredWeight& b) {
  if (weights::same_bits(a, b)) return true;
  if (a.format() == b.format() && a.encoding == weights::Encoding::Plain) return false;
  const weights::TensorView left = difference(a, b);
  const auto* first = reinterpret_cast<const float*>(left.bytes.data());
  return std::all_of(first, first + left.elements(), [](float value) { return value == 0; });
}

}  // namespace

bool is_adapter(const weights::WeightSet& set, const registry::Registry& registry) {
  return registry::adapter_for(set.names(), registry) != nullptr;
}

weights::WeightEdit merging(const LoraWork& work, const std::vector<LoraInput>& loras,
                            const Recognised& found, const weights::WeightSet& set,
                            bool allow_unmatched) {
  const auto& layout = weights::find_layout(*found.component->pattern, found.match.layout);
  const auto spelled = weights::spell(set, layout, found.match.prefix);
  const std::vector<NamedShape> canonical(spelled.begin(), spelled.end());
  const auto targets = targets_among(canonical, /*known=*/true);
  const auto opened = std::make_shared<std::vector<OpenedLora>>();
  const auto touched = std::make_shared<std::set<std::string>>();
  for (const LoraInput& lora : loras) {
    config::AdapterPlan plan = plan_of(lora, work, allow_unmatched);
    auto file = work.tools().open(plan, work.registry, targets);
    opened->push_back({std::move(file), std::move(plan), lora.scale});
    tell_unmatched(opened->back(), found.component->id, work.job);
    for (const std::string& target : opened->back().file->targets()) {
      touched->insert(target + ".weight");
    }
  }
  return {[touched](const std::string& name) { return touched->contains(name); },
          [opened](const std::string& name, const weights::TensorView& values) {
            weights::TensorView sum = values;
            const std::string module(weights::module_of(name));
            for (const OpenedLora& lora : *opened) sum = lora.file->added(module, sum, lora.scale);
            return sum;
          }};
}

json convert_loras(const LoraWork& work, const std::vector<LoraInput>& loras,
                   const LoraOptions& options) {
  const auto type = wanted_type(options.format);
  const Fitting found = fitting_component(work, loras, options);
  const auto sum = std::make_shared<ErrorSum>();
  std::vector<LoraModule> modules;
  for (auto& [name, updates] : updates_of(found.loras)) {
    const DType own = type.value_or(weights::common_type(updates));
    modules.push_back(options.rank > 0 ? reduced(std::move(updates), own, options.rank, work, sum)
                                       : weights::concatenated(std::move(updates), own));
  }
  const weights::WeightSet& first = *found.loras.front().plan.tensors;
  json report = write(work, modules, *found.component, found.canonical, first.metadata(), options);
  const auto* dialect = weights::lora_dialect_of(first.names());
  report["from"] = {{"dialect", dialect ? dialect->name : "other"}};
  if (options.rank > 0) report["error"] = sum->relative();
  return report;
}

json extract_lora(const LoraWork& work, const weights::WeightSet& tuned_set, const fs::path& base,
                  const LoraOptions& options) {
  const auto base_set = weights::WeightSet::open(base);
  const Recognised found = recognise_component(tuned_set, *work.registry, options.component);
  const Recognised original = recognise_component(base_set, *work.registry, found.component->id);
  const auto tuned = canonical_weights(tuned_set, found);
  const auto before = canonical_weights(base_set, original);
  const auto sum = std::make_shared<ErrorSum>();
  std::vector<NamedShape> canonical;
  std::vector<LoraModule> modules;
  json left_out = json::array();
  for (const auto& [name, weight] : tuned) {
    canonical.push_back({name, weight.shape});
    const auto old = before.find(name);
    if (old == before.end() || old->second.shape != weight.shape) {
      throw Error(Status::Incompatible,
                  fmt::format("{}: has no \"{}\" {}, as {} has; are they of one model?",
                              base_set.describe(), name, weights::shape_text(weight.shape),
                              tuned_set.describe()));
    }
    if (same_values(weight, old->second)) continue;
    if (!weights::is_lora_target(canonical.back())) {
      left_out.push_back(name);
      continue;
    }
    const auto type = wanted_type(options.format);
    const bool plain = weight.encoding == weights::Encoding::Plain &&
                       (weight.data().dtype == DType::F32 || weight.data().dtype == DType::F16);
    LoraModule module;
    module.name = weights::module_of(name);
    module.out = weight.shape[0];
    module.in = weight.shape[1];
    module.rank = std::min({options.rank, module.out, module.in});
    module.type = type.value_or(plain ? weight.data().dtype : DType::BF16);
    module.make = [tuned = weight, base = old->second, rank = module.rank, type = module.type,
                   tools = work.tools, sum] {
      return parts_of(tools().factorise(difference(tuned, base), rank, type), *sum);
    };
    modules.push_back(std::move(module));
  }
  if (modules.empty()) {
    throw Error(Status::InvalidArgument, fmt::format("{} and {}: no matrix differs",
                                                     tuned_set.describe(), base_set.describe()));
  }
  json report = write(work, modules, *found.component, canonical, {{"format", "pt"}}, options);
  if (!left_out.empty()) {
    work.job.warn(
        fmt::format("{} weights that are no matrices differ, too; no LoRA holds them; "
                    "the first is {}",
                    left_out.size(), left_out.front().get<std::string>()));
  }
  report["from"] = {{"layout", found.match.layout}, {"prefix", found.match.prefix}};
  report["error"] = sum->relative();
  report["left_out"] = left_out;
  return report;
}

}  // namespace gesso::api
