#include "engine/config/adapters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/models/model_ref.hpp"
#include "engine/registry/adapter_keys.hpp"

namespace gesso::config {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using registry::ComponentInfo;

constexpr const char* kKind = "delta_source";

std::vector<std::string> names_of(const weights::WeightSet& set) {
  std::vector<std::string> names;
  for (const weights::TensorInfo& info : set.tensors()) names.push_back(info.name);
  return names;
}

/// The delta source whose names fit all of the file's.
const ComponentInfo& source_for(const weights::WeightSet& set, const registry::Registry& registry) {
  const std::vector<std::string> names = names_of(set);
  if (const ComponentInfo* found = registry::adapter_for(names, registry)) return *found;
  std::vector<std::string> ids;
  for (const ComponentInfo& component : registry.components()) {
    if (component.kind == kKind) ids.push_back(component.id);
  }
  const auto strange = std::ranges::find_if(
      names, [&](const auto& name) { return !registry::is_adapter_key(name, registry); });
  const std::string& told = strange == names.end() ? names.front() : *strange;
  const std::string family = weights::foreign_family(set);
  throw Error(Status::Incompatible,
              fmt::format("{}: no adapter reads all of its {} keys, such as \"{}\"{}; there are {}",
                          set.files().front().mapping->path().string(), names.size(), told,
                          family.empty() ? "; is it a model instead of a LoRA?"
                                         : "; it looks like " + family,
                          fmt::join(ids, ", ")));
}

std::vector<fs::path> files_of(const PipelinePlan& pipeline, const json& values) {
  if (values.contains("path")) return {values["path"].begin(), values["path"].end()};
  if (!values.contains("model_id")) {
    throw Error(Status::InvalidArgument, "path: not given; expected the file of a LoRA");
  }
  return models::find_local(
      {.model_id = values["model_id"],
       .origin_file_pattern = values.value("origin_file_pattern", "*.safetensors"),
       .local_model_path = pipeline.local_model_path});
}

AdapterPlan make_plan(const PipelinePlan& pipeline, const json& values, const std::string& where) {
  AdapterPlan plan;
  plan.where = where;
  const std::vector<fs::path> paths = files_of(pipeline, values);
  plan.tensors = std::make_shared<const weights::WeightSet>(weights::WeightSet::open(paths));
  for (const auto& file : plan.tensors->files()) plan.files.push_back(file.mapping->path());
  if (plan.tensors->tensors().empty()) {
    throw Error(Status::BadData, plan.files.front().string() + ": the file has no tensors");
  }
  plan.name = values.value("name", plan.files.front().stem().string());
  plan.scale = values.value("scale", plan.scale);
  plan.role = values.value("role", plan.role);
  plan.strict = values.value("strict", plan.strict);
  const std::string side = values.value("side", "both");
  plan.side = side == "both"       ? AdapterPlan::Side::Both
              : side == "positive" ? AdapterPlan::Side::Positive
                                   : AdapterPlan::Side::Negative;
  plan.mode = values.value("mode", "runtime") == "fuse" ? AdapterPlan::Mode::Fuse
                                                        : AdapterPlan::Mode::Runtime;
  plan.source = values.contains("id")
                    ? &pipeline.registry->component(values["id"].get<std::string>())
                    : &source_for(*plan.tensors, *pipeline.registry);
  if (plan.source->kind != kKind) {
    throw Error(Status::InvalidArgument,
                fmt::format("id: expected a component of kind \"{}\", found {} of kind \"{}\"",
                            kKind, plan.source->id, plan.source->kind));
  }
  if (!pipeline.component(plan.role)) {
    std::vector<std::string> roles;
    for (const ComponentPlan& component : pipeline.components) roles.push_back(component.role);
    throw Error(Status::NotFound,
                fmt::format("role: the pipeline has no component \"{}\"; it has {}", plan.role,
                            fmt::join(roles, ", ")));
  }
  return plan;
}

}  // namespace

AdapterPlan plan_adapter(const PipelinePlan& pipeline, const json& values) {
  json checked = json::object();
  for (const auto& [key, value] : values.items()) {
    const registry::Param* param = find_param(adapter_params(), key);
    if (!param) throw Error(Status::InvalidArgument, unknown_parameter(key, adapter_params()));
    Checked one = check_value(*param, value);
    if (!one.problem.empty()) throw Error(Status::InvalidArgument, key + ": " + one.problem);
    checked[key] = std::move(one.value);
  }
  return make_plan(pipeline, checked, "adapter");
}

std::vector<AdapterPlan> plan_adapters(const Node* adapters, const PipelinePlan& plan,
                                       Problems& problems) {
  std::vector<AdapterPlan> plans;
  if (!adapters) return plans;
  if (adapters->type != NodeType::List) {
    problems.error(adapters->place, "adapters: expected [[adapters]], a list of tables, found " +
                                        adapters->describe());
    return plans;
  }
  Vocabulary vocabulary;
  vocabulary.add("adapters", adapter_params());
  for (const Node& table : adapters->children) {
    const json values = read_table(table, "adapters", adapter_params(), &vocabulary, problems);
    try {
      plans.push_back(make_plan(plan, values, table.place.text()));
    } catch (const Error& error) {
      problems.error(table.place, std::string("adapters: ") + error.what(), error.status());
      continue;
    }
    const std::string& name = plans.back().name;
    if (std::ranges::count(plans, name, &AdapterPlan::name) > 1) {
      problems.error(table.place, fmt::format("adapters: the name \"{}\" is there twice; give one "
                                              "of them another name",
                                              name));
    }
  }
  return plans;
}

}  // namespace gesso::config
