
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/base/expression.hpp"
#include "engine/base/suggest.hpp"
#include "engine/config/check.hpp"
#include "engine/config/component_files.hpp"
#include "engine/models/model_ref.hpp"

namespace gesso::config {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using registry::ComponentInfo;
using registry::Param;
using registry::Role;
using Texts = std::vector<std::string>;

constexpr const char* kPolicyKind = "memory_policy";

bool takes_path(const ComponentInfo& info) {
  return info.pattern || find_param(info.params, "path");
}

const Role* find_role(const registry::VariantInfo& variant, std::string_view name) {
  for (const Role& role : variant.roles) {
    if (role.name == name || (role.many && name.starts_with(role.name + "_"))) return &role;
  }
  return nullptr;
}

void check_roles(const Node& components, const registry::VariantInfo& variant, Problems& problems) {
  std::vector<std::string> names;
  for (const Role& role : variant.roles) names.push_back(role.name);
  for (const Node& child : components.children) {
    if (find_role(variant, child.key)) continue;
    const std::string advice = base::did_you_mean(child.key, names);
    problems.error(
        child.key_place,
        fmt::format("variant \"{}\" has no component \"{}\"{}", variant.name, child.key,
                    advice.empty() ? fmt::format("; it has {}", fmt::join(names, ", ")) : advice));
  }
}

/// "stream" is short for "org.gesso.stream.policy". The text itself when nothing fits.
std::string policy_id(const registry::Registry& registry, const std::string& name) {
  for (const ComponentInfo& component : registry.components()) {
    if (component.kind == kPolicyKind && component.id == name) return name;
  }
  for (const ComponentInfo& component : registry.components()) {
    if (component.kind != kPolicyKind) continue;
    if (component.id.find("." + name + ".") != std::string::npos) return component.id;
  }
  return name;
}

/// `policy` of [memory]; null when it is not set.
const Node* named_policy(const Node& document) {
  const Node* memory = document.find("memory");
  const Node* policy = memory && memory->type == NodeType::Table ? memory->find("policy") : nullptr;
  return policy && policy->type == NodeType::Text ? policy : nullptr;
}

/// The `id` of the table, else the variant's own component. Null, and a problem, when there is
/// none.
const ComponentInfo* choose(const Role& role, const std::string& label, const Node* table,
                            const Place& place, const registry::Registry& registry,
                            const registry::VariantInfo& variant, Problems& problems) {
  if (table && table->type != NodeType::Table) {
    problems.error(
        place, fmt::format("components.{}: expected a table, found {}", label, table->describe()));
    return nullptr;
  }
  const Node* id = table ? table->find("id") : nullptr;
  const bool own = !id;
  if (id && id->type != NodeType::Text) {
    problems.error(id->place, fmt::format("components.{}.id: expected a text, found {}", label,
                                          id->describe()));
    return nullptr;
  }
  const std::string name = own ? role.component : id->scalar.get<std::string>();
  if (name.empty()) {
    problems.error(place, fmt::format("variant \"{}\" leaves the choice of its {} open; set "
                                      "components.{}.id to a component of kind \"{}\"",
                                      variant.name, role.name, label, role.kind));
    return nullptr;
  }
  try {
    const ComponentInfo& info = registry.component(name);
    if (info.kind == role.kind) return &info;
    problems.error(own ? place : id->place,
                   fmt::format("components.{}.id: expected a component of kind \"{}\", found {} of "
                               "kind \"{}\"",
                               label, role.kind, info.id, info.kind));
  } catch (const Error& error) {
    const std::string whose = own ? fmt::format("variant \"{}\" needs ", variant.name) : "";
    problems.error(own ? place : id->place,
                   fmt::format("{}components.{}.id: {}", whose, label, error.what()),
                   error.status());
  }
  return nullptr;
}

/// The policy that [memory] names.
const ComponentInfo* choose_policy(const Node& policy, const Node* table,
                                   const registry::Registry& registry, Problems& problems) {
  if (table && table->type == NodeType::Table && table->find("id")) {
    problems.error(policy.place,
                   "memory.policy: components.memory_policy.id is set, too; keep one of them");
    return nullptr;
  }
  const std::string name = policy.scalar.get<std::string>();
  const std::string id = policy_id(registry, name);
  std::vector<std::string> ids;
  for (const ComponentInfo& component : registry.components()) {
    if (component.kind != kPolicyKind) continue;
    if (component.id == id) return &component;
    ids.push_back(component.id);
  }
  problems.error(policy.place,
                 fmt::format("memory.policy: there is no memory policy \"{}\"; there "
                             "are {}",
                             name, fmt::join(ids, ", ")),
                 Status::NotFound);
  return nullptr;
}

void refuse_path(const FilledRole& filled, Problems& problems) {
  const Node* path =
      filled.table && !takes_path(*filled.info) ? filled.table->find("path") : nullptr;
  if (!path) return;
  problems.error(path->key_place,
                 fmt::format("{}.path: {} takes no files", filled.label(), filled.info->id));
}

json presets(const ComponentInfo& info) {
  json values = json::object();
  for (const Param& param : info.params) {
    if (!param.preset.is_null()) values[param.key] = param.preset;
  }
  return values;
}

json read_component_table(const FilledRole& filled, const Vocabulary& vocabulary,
                          Problems& problems) {
  if (!filled.table) return json::object();
  Node table = *filled.table;
  refuse_path(filled, problems);
  if (!takes_path(*filled.info)) {
    std::erase_if(table.children, [](const Node& child) { return child.key == "path"; });
  }
  return read_table(table, filled.label(), table_params(*filled.info), &vocabulary, problems);
}

void check_path_value(const FilledRole& filled, const std::string& label, const json& path,
                      Problems& problems) {
  if (fs::exists(path.get<std::string>())) return;
  const Node* node = filled.table ? filled.table->find("path") : nullptr;
  problems.error(
      node ? node->place : filled.place,
      fmt::format("{}.path: there is no file or folder \"{}\"", label, path.get<std::string>()),
      Status::NotFound);
}

/// The files that model_id names, in the table or by the variant for its own component; put into
/// `given` as its path.
void find_model(const FilledRole& filled, const FileSettings& file, json& given,
                Problems& problems) {
  const Role& role = *filled.role;
  const bool own = filled.info->id == role.component && !role.model_id.empty();
  if (given.contains("path") || !takes_path(*filled.info)) return;
  if (!given.contains("model_id") && !own) return;
  const bool optional = filled.may_lack_files && !given.contains("model_id");
  models::ModelRef model;
  model.local_model_path = file.local_model_path;
  model.download_source = given.value("download_source", file.download_source);
  model.skip_download = file.skip_download;
  if (given.contains("skip_download")) model.skip_download = given["skip_download"].get<bool>();
  model.model_id = given.value("model_id", role.model_id);
  json patterns =
      given.contains("model_id") ? json::array({""}) : json::array({role.origin_file_pattern});
  patterns = given.value("origin_file_pattern", patterns);
  try {
    json paths = json::array();
    for (const std::string pattern : patterns) {
      model.origin_file_pattern = pattern;
      for (const fs::path& path : find_or_note(model, optional ? nullptr : file.missing)) {
        paths.push_back(path.string());
      }
    }
    given["path"] = filled.info->pattern ? paths : paths.front();
  } catch (const Error& error) {
    if (optional) return;
    problems.error(filled.place, fmt::format("{}: {}", filled.label(), error.what()),
                   error.status());
  }
}

/// The renames of `state_dict`.
std::vector<weights::RenameRule> read_state_dict(const FilledRole& filled, const json& given,
                                                 Problems& problems) {
  std::vector<weights::RenameRule> rules;
  const json pairs = given.value("state_dict", json::array());
  for (size_t i = 0; i < pairs.size(); ++i) {
    const std::string expression = pairs[i][0];
    try {
      rules.push_back({base::expression(expression), expression, pairs[i][1]});
    } catch (const Error& error) {
      problems.error(filled.table->find("state_dict")->children[i].place,
                     fmt::format("{}.state_dict: {}", filled.label(), error.what()));
    }
  }
  return rules;
}

void open_weights_at(const FilledRole& filled, const json& given,
                     const registry::Registry& registry, ComponentPlan& plan, Problems& problems) {
  const std::vector<fs::path> files(given["path"].begin(), given["path"].end());
  const auto renames = read_state_dict(filled, given, problems);
  try {
    open_weights(plan, files, renames, registry);
  } catch (const Error& error) {
    const Node* path = filled.table ? filled.table->find("path") : nullptr;
    problems.error(path ? path->place : filled.place,
                   fmt::format("{}.path: {}", filled.label(), error.what()), error.status());
  }
}

/// `storage` with its lists, checked.
weights::StorageRule read_storage(const FilledRole& filled, const json& given, Problems& problems) {
  weights::StorageRule rule{given.value("storage", ""), given.value("target_modules", Texts()),
                            given.value("exclude_modules", Texts())};
  for (const char* key : {"target_modules", "exclude_modules"}) {
    if (!rule.format.empty() || !given.contains(key)) continue;
    problems.error(filled.table->find(key)->place,
                   fmt::format("{}.{}: needs {}.storage, which is not set", filled.label(), key,
                               filled.label()));
  }
  try {
    if (!rule.format.empty()) weights::storage_format(rule.format);
  } catch (const Error& error) {
    problems.error(filled.table->find("storage")->place,
                   fmt::format("{}.storage: {}", filled.label(), error.what()), error.status());
    rule.format.clear();
  }
  return rule;
}

/// What the variant says of weights with fewer bits, when these are such.
void warn_of_storage(const FilledRole& filled, ComponentPlan& plan, Problems& problems) {
  const std::string& warning = filled.role->storage_warning;
  std::string format = plan.storage.format;
  if (!format.empty() && !weights::is_narrow(weights::storage_format(format))) format.clear();
  if (format.empty() && plan.weights) format = plan.weights->narrow_format();
  if (warning.empty() || format.empty()) return;
  const Node* node = filled.table ? filled.table->find("storage") : nullptr;
  plan.storage_warning =
      fmt::format("{}: weights stored as {}: {}", filled.label(), format, warning);
  problems.warning(node ? node->place : filled.place, plan.storage_warning);
}

ComponentPlan plan_component(const FilledRole& filled, const registry::Registry& registry,
                             const FileSettings& file, const Vocabulary& vocabulary,
                             Problems& problems) {
  ComponentPlan plan;
  plan.role = filled.name;
  plan.where = filled.place.text();
  plan.info = filled.info;
  json given = read_component_table(filled, vocabulary, problems);
  find_model(filled, file, given, problems);
  plan.dtype = given.value("dtype", file.dtype);
  plan.storage = read_storage(filled, given, problems);
  plan.values = presets(*filled.info);
  plan.values.update(given);
  plan.memory = given.value("memory", json::object());
  for (const char* key :
       {"id", "dtype", "model_id", "origin_file_pattern", "download_source", "skip_download",
        "state_dict", "memory", "storage", "target_modules", "exclude_modules"}) {
    plan.values.erase(key);
  }
  if (filled.info->pattern) {
    plan.values.erase("path");
    if (given.contains("path")) {
      open_weights_at(filled, given, registry, plan, problems);
    }
    warn_of_storage(filled, plan, problems);
  } else if (given.contains("path")) {
    check_path_value(filled, filled.label(), given["path"], problems);
  }
  return plan;
}

bool lacks_path(const FilledRole& filled) {
  if (!takes_path(*filled.info)) return false;
  if (filled.table && (filled.table->find("path") || filled.table->find("model_id"))) return false;
  if (filled.info->id == filled.role->component && !filled.role->model_id.empty()) return false;
  const Param* own = find_param(filled.info->params, "path");
  return filled.info->pattern || own->preset.is_null();
}

}  // namespace

FilledRoles fill_roles(const Node& document, const registry::Registry& registry,
                       const registry::VariantInfo& variant, Problems& problems) {
  const Node* components = document.find("components");
  if (components && components->type != NodeType::Table) {
    problems.error(components->place,
                   "components: expected a table for each role, found " + components->describe());
    return {{}, false};
  }
  if (components) check_roles(*components, variant, problems);

  FilledRoles filled;
  const auto fill = [&](const Role& role, const std::string& name, const Node* table) {
    const Place place = table ? table->place : document.find("variant")->place;
    const Node* policy = role.kind == kPolicyKind ? named_policy(document) : nullptr;
    const ComponentInfo* info = policy
                                    ? choose_policy(*policy, table, registry, problems)
                                    : choose(role, name, table, place, registry, variant, problems);
    if (info) filled.roles.push_back({&role, name, info, table, place});
    if (!info) filled.complete = false;
  };
  for (const Role& role : variant.roles) {
    const Node* table = components ? components->find(role.name) : nullptr;
    const bool named = role.kind == kPolicyKind && named_policy(document);
    if (table || role.required || named) fill(role, role.name, table);
    if (!components || !role.many) continue;
    for (const Node& child : components->children) {
      if (child.key.starts_with(role.name + "_")) fill(role, child.key, &child);
    }
  }
  return filled;
}

std::vector<Param> table_params(const ComponentInfo& info) {
  std::vector<Param> params;
  const bool files = takes_path(info);
  for (const Param& param : component_params()) {
    const bool names_files = param.key == "model_id" || param.key == "origin_file_pattern" ||
                             param.key == "download_source" || param.key == "skip_download";
    const bool of_weights = param.key == "path" || param.key == "storage" ||
                            param.key == "state_dict" || param.key == "target_modules" ||
                            param.key == "exclude_modules";
    if (of_weights ? info.pattern.has_value() : files || !names_files) {
      params.push_back(param);
    }
  }
  for (Param param : info.params) {
    if (find_param(params, param.key)) continue;
    if (param.key == "path") param.unit = kPathUnit;
    params.push_back(param);
  }
  return params;
}

std::vector<ComponentPlan> plan_components(const std::vector<FilledRole>& roles,
                                           const registry::Registry& registry,
                                           const FileSettings& file, const Vocabulary& vocabulary,
                                           Problems& problems) {
  std::vector<ComponentPlan> plans;
  for (const FilledRole& filled : roles) {
    plans.push_back(plan_component(filled, registry, file, vocabulary, problems));
  }
  return plans;
}

void hand_to_policy(const Node& document, PipelinePlan& plan, Problems& problems) {
  const auto short_type = [](const std::string& name) {
    return name == "bfloat16" ? "bf16" : name == "float32" ? "f32" : name;
  };
  const auto policy = std::ranges::find_if(
      plan.components, [](const ComponentPlan& c) { return c.info->kind == kPolicyKind; });
  json values = plan.memory;
  values.erase("policy");
  for (ComponentPlan& component : plan.components) {
    if (!component.memory.empty()) values["roles"].push_back(component.role);
    for (const auto& [key, value] : component.memory.items()) {
      values[component.role + "." + key] = value;
    }
    const json type =
        component.memory.value("computation_dtype", plan.memory.value("computation_dtype", json()));
    if (type.is_null() || !component.info->pattern) continue;
    const std::string wanted = short_type(type.get<std::string>());
    const Node* components = document.find("components");
    const Node* table = components ? components->find(component.role) : nullptr;
    const Node* dtype = table ? table->find("dtype") : nullptr;
    if (!dtype) dtype = document.find("dtype");
    if (dtype && component.dtype != wanted) {
      problems.error(dtype->place,
                     fmt::format("components.{}: dtype is \"{}\", but its memory's "
                                 "computation_dtype is \"{}\"; keep one of them",
                                 component.role, component.dtype, type.get<std::string>()));
    }
    component.dtype = wanted;
  }
  if (policy != plan.components.end()) policy->values.update(values);
}

void report_missing_paths(const std::vector<FilledRole>& roles, const Place& place,
                          const registry::VariantInfo& variant, Problems& problems) {
  std::vector<std::string> missing;
  for (const FilledRole& filled : roles) {
    if (lacks_path(filled) && !filled.may_lack_files) missing.push_back(filled.label() + ".path");
  }
  if (missing.empty()) return;
  problems.error(
      place,
      fmt::format("variant \"{}\" needs files that are not given: {}; set each to a file "
                  "or folder",
                  variant.name, fmt::join(missing, ", ")),
      Status::NotFound);
}

}  // namespace gesso::config
