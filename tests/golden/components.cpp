#include "components.hpp"

#include <fmt/format.h>

namespace gesso::golden {
namespace {

/// Component ids by kind: the plugins that these goldens are for.
const std::map<std::string, std::string>& ids() {
  static const std::map<std::string, std::string> table{
      {"tokenizer", "org.gesso.qwen_bpe.tokenizer"},
      {"text_encoder", "org.gesso.qwen3.text_encoder"},
      {"denoiser", "org.gesso.z_image.denoiser"},
      {"composer", "org.gesso.z_image.composer"},
      {"codec", "org.gesso.flux_vae.codec"},
      {"controlnet", "org.gesso.z_image_fun_union.controller"},
      {"image_encoder", "org.gesso.siglip2_428m.image_encoder"},
      {"scheduler", "org.gesso.flow_match.scheduler"},
      {"memory_policy", "org.gesso.resident.policy"}};
  return table;
}

}  // namespace

const registry::ComponentInfo& component_info(registry::Registry& registry,
                                              const std::string& kind) {
  return registry.component(ids().at(kind));
}

config::ComponentPlan plain_plan(registry::Registry& registry, const std::string& role,
                                 nlohmann::json values, const std::string& id) {
  config::ComponentPlan plan;
  plan.role = role;
  plan.where = "case.json";
  plan.info = id.empty() ? &component_info(registry, role) : &registry.component(id);
  plan.dtype = "f32";
  plan.values = std::move(values);
  return plan;
}

config::ComponentPlan weights_plan(registry::Registry& registry, const Case& golden,
                                   const std::string& case_name, const std::string& role,
                                   const std::string& dtype, const std::string& id) {
  const nlohmann::json& weights = golden.json.at("weights").at(case_name);
  config::ComponentPlan plan = plain_plan(registry, role, nlohmann::json::object(), id);
  plan.dtype = dtype;
  for (const auto& file : weights.at("files")) plan.files.push_back(golden.path(file));
  const auto set = weights::WeightSet::open(plan.files);
  plan.weights = std::make_shared<weights::MappedWeights>(
      weights::MappedWeights::open(set, plan.info->pattern.value()));
  plan.config = weights.value("config", nlohmann::json::object());
  return plan;
}

Bench::Bench(std::shared_ptr<registry::Registry> registry, const config::ComponentPlan& plan,
             const std::string& numerics) {
  pipeline_.name = "case.json";
  pipeline_.registry = std::move(registry);
  pipeline_.numerics = numerics;
  instance_ =
      std::make_unique<runtime::Instance>(pipeline_, plan, *this, messages_, devices_, clock_);
}

Tensors Bench::run(const std::string& operation,
                   const std::vector<std::pair<std::string, std::vector<at::Tensor>>>& lists,
                   const std::vector<std::pair<std::string, at::Tensor>>& whole,
                   const ValueList& values) {
  const runtime::Watch nobody;
  const runtime::CallScope call(nobody);
  runtime::OperationRun run(instance_->component(), operation);
  for (const auto& [port, items] : lists) run.feed(port, items);
  for (const auto& [port, tensor] : whole) run.feed_whole(port, tensor);
  Tensors results;
  for (const auto& [port, items] : run.run(call, values)) {
    for (size_t i = 0; i < items.size(); ++i) results[fmt::format("{}.{}", port, i)] = items[i];
  }
  return results;
}

}  // namespace gesso::golden
