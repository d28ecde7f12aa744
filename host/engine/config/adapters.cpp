#include "engine/config/adapters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/config/component_files.hpp"
#include "engine/models/model_ref.hpp"
#include "engine/registry/adapter_keys.hpp"
#include "engine/weights/recognise.hpp"

namespace gesso::config {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using registry::ComponentInfo;

constexpr const char* kKind = "delta_source";

/// The delta source whose names fit all of the file's.
const ComponentInfo& source_for(const weights::WeightSet& set, const registry::Registry& registry) {
  const std::vector<std::string> names = set.names();
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

std::vector<fs::path> files_of(const json& values, const FileSettings& file) {
  if (values.contains("path")) return {values["path"].begin(), values["path"].end()};
  if (!values.contains("model_id")) {
    throw Error(Status::InvalidArgument, "path: not given; expected the file of a LoRA");
  }
  return find_or_note({.model_id = values["model_id"],
                       .origin_file_pattern = values.value("origin_file_pattern", "*.safetensors"),
                       .local_model_path = file.local_model_path,
                       .download_source = file.download_source,
                       .skip_download = file.skip_download},
                      file.missing);
}

/// Opens the files; the source is chosen later.
AdapterPlan open_files(std::span<const fs::path> paths) {
  AdapterPlan plan;
  plan.tensors = std::make_shared<const weights::WeightSet>(weights::WeightSet::open(paths));
  for (const auto& file : plan.tensors->files()) plan.files.push_back(file.mapping->path());
  if (plan.tensors->tensors().empty()) {
    throw Error(Status::BadData, plan.files.front().string() + ": the file has no tensors");
  }
  plan.name = plan.files.front().stem().string();
  return plan;
}

AdapterPlan make_plan(const PipelinePlan& pipeline, std::span<const fs::path> files,
                      const json& values, const std::string& where) {
  AdapterPlan plan = open_files(files);
  plan.where = where;
  plan.name = values.value("name", plan.name);
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

/// "a, b, c and 12 more".
std::string some_of(const std::vector<std::string>& keys) {
  constexpr size_t kMost = 10;
  const auto shown = std::vector(keys.begin(), keys.begin() + std::min(kMost, keys.size()));
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (keys.size() > kMost) text += fmt::format(" and {} more", keys.size() - kMost);
  return text;
}

}  // namespace

AdapterPlan plan_adapter_file(std::span<const fs::path> paths, const registry::Registry& registry) {
  AdapterPlan plan = open_files(paths);
  plan.where = "adapter";
  plan.source = &source_for(*plan.tensors, registry);
  return plan;
}

std::string tell_unmatched(const AdapterPlan& plan, const std::string& component, size_t keys,
                           const std::vector<std::string>& unmatched) {
  if (unmatched.empty()) return "";
  const std::string file = plan.files.empty() ? plan.name : plan.files.front().string();
  const std::string family = weights::foreign_family(*plan.tensors);
  const std::string looks = family.empty() ? "" : "; the file looks like " + family;
  if (unmatched.size() >= keys) {
    throw Error(Status::Incompatible,
                fmt::format("{}: none of its {} keys belongs to a weight of {} (role \"{}\"){}: {}",
                            file, keys, component, plan.role, looks, some_of(unmatched)));
  }
  const std::string text =
      fmt::format("{}: {} of {} keys match no weight of {}{}: {}", file, unmatched.size(), keys,
                  component, looks, some_of(unmatched));
  if (plan.strict) {
    throw Error(Status::Incompatible, text + "; strict = false uses the others");
  }
  return text;
}

AdapterPlan plan_adapter(const PipelinePlan& pipeline, const json& values) {
  json checked = json::object();
  for (const auto& [key, value] : values.items()) {
    const registry::Param* param = find_param(adapter_params(), key);
    if (!param) throw Error(Status::InvalidArgument, unknown_parameter(key, adapter_params()));
    Checked one = check_value(*param, value);
    if (!one.problem.empty()) throw Error(Status::InvalidArgument, key + ": " + one.problem);
    checked[key] = std::move(one.value);
  }
  const FileSettings file{"", pipeline.local_model_path, "", {}, nullptr};
  return make_plan(pipeline, files_of(checked, file), checked, "adapter");
}

std::vector<AdapterPlan> plan_adapters(const Node* adapters, const FileSettings& file,
                                       const PipelinePlan& plan, Problems& problems) {
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
      const auto files = files_of(values, file);
      plans.push_back(make_plan(plan, files, values, table.place.text()));
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
