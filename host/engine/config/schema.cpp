#include "engine/config/schema.hpp"

#include <fmt/format.h>

#include "engine/config/check.hpp"
#include "engine/config/params.hpp"
#include "engine/config/recipe_params.hpp"

namespace gesso::config {
namespace {

using nlohmann::json;
using registry::ComponentInfo;
using registry::Param;
using registry::VariantInfo;

json item_schema(const Param& param, const char* type) {
  json schema = {{"type", type}};
  if (!param.min.is_null()) schema["minimum"] = param.min;
  if (!param.max.is_null()) schema["maximum"] = param.max;
  if (!param.choices.empty()) schema["enum"] = param.choices;
  return schema;
}

json one_or_many(const json& item) {
  return {{"anyOf", {item, {{"type", "array"}, {"items", item}, {"minItems", 1}}}}};
}

json table_schema(const char* description, const std::vector<Param>& params, bool open);

json type_schema(const Param& param) {
  switch (param.type) {
    case kTablesValue:
      return one_or_many(table_schema("One of them", item_params(param.key), /*open=*/false));
    case kOneTable:
      return table_schema(param.summary.c_str(), item_params(param.key), /*open=*/false);
    case kPairsValue:
      return {
          {"type", "array"},
          {"minItems", 1},
          {"items",
           {{"type", "array"}, {"items", {{"type", "string"}}}, {"minItems", 2}, {"maxItems", 2}}}};
    case kTableValue:
      return {{"type", "object"},
              {"additionalProperties", {{"type", {"string", "number", "boolean"}}}}};
    case GESSO_VALUE_INT:
      return item_schema(param, "integer");
    case GESSO_VALUE_REAL:
      return item_schema(param, "number");
    case GESSO_VALUE_TEXT:
      return item_schema(param, "string");
    case GESSO_VALUE_INTS:
      return one_or_many(item_schema(param, "integer"));
    case GESSO_VALUE_REALS:
      return one_or_many(item_schema(param, "number"));
    case GESSO_VALUE_TEXTS:
      return one_or_many(item_schema(param, "string"));
    default:
      return item_schema(param, "boolean");
  }
}

json param_schema(const Param& param) {
  json schema = type_schema(param);
  const bool told = param.unit.empty() || param.unit == kPathUnit || param.unit == kDeviceUnit;
  schema["description"] = told ? param.summary : fmt::format("{} ({})", param.summary, param.unit);
  if (!param.preset.is_null()) schema["default"] = param.preset;
  return schema;
}

json table_schema(const char* description, const std::vector<Param>& params, bool open) {
  json properties = json::object();
  for (const Param& param : params) properties[param.key] = param_schema(param);
  return {{"type", "object"},
          {"description", description},
          {"properties", properties},
          {"additionalProperties", open}};
}

/// The ids that may fill a role: every component of its kind.
json id_schema(const registry::Registry& registry, const registry::Role& role) {
  json ids = json::array();
  for (const ComponentInfo& component : registry.components()) {
    if (component.kind == role.kind) ids.push_back(component.id);
  }
  json schema = param_schema(*find_param(component_params(), "id"));
  if (!ids.empty()) schema["enum"] = ids;
  if (!role.component.empty()) schema["default"] = role.component;
  return schema;
}

/// The parameters of all components that may fill the role: which one does is not known yet.
std::vector<Param> role_params(const registry::Registry& registry, const registry::Role& role) {
  std::vector<Param> params;
  for (const ComponentInfo& component : registry.components()) {
    if (component.kind != role.kind) continue;
    for (const Param& param : table_params(component)) {
      if (!find_param(params, param.key)) params.push_back(param);
    }
  }
  return params.empty() ? component_params() : params;
}

json open_components_schema() {
  return {{"type", "object"},
          {"description", "One table for each role of the variant that is set up here"},
          {"additionalProperties",
           table_schema("A component: common keys, and its own parameters", component_params(),
                        /*open=*/true)}};
}

json components_schema(const registry::Registry& registry, const VariantInfo& variant) {
  json roles = json::object(), families = json::object();
  for (const registry::Role& role : variant.roles) {
    json table = table_schema(("A component of kind " + role.kind).c_str(),
                              role_params(registry, role), /*open=*/false);
    table["properties"]["id"] = id_schema(registry, role);
    roles[role.name] = table;
    if (role.many) families["^" + role.name + "_"] = table;
  }
  return {{"type", "object"},
          {"description", "One table for each role of the variant that is set up here"},
          {"properties", roles},
          {"patternProperties", families},
          {"additionalProperties", false}};
}

/// What any variant of the registry takes in [generate].
std::vector<Param> all_generate_params(const registry::Registry& registry) {
  std::vector<Param> params = generate_params();
  for (const ComponentInfo& component : registry.components()) {
    if (!is_run_param_kind(component.kind)) continue;
    for (const Param& param : component.run_params) {
      if (!find_param(params, param.key)) params.push_back(param);
    }
  }
  return params;
}

json generate_schema(const registry::Registry* registry, const VariantInfo* variant) {
  const char* description = "Defaults of requests";
  if (!registry) return table_schema(description, generate_params(), /*open=*/true);
  return table_schema(
      description, variant ? generate_params(*registry, *variant) : all_generate_params(*registry),
      /*open=*/false);
}

json variant_schema(const registry::Registry& registry, const VariantInfo* variant) {
  json names = json::array();
  for (const VariantInfo& each : registry.variants()) {
    if (variant && variant->id != each.id) continue;
    names.push_back(each.id);
    names.push_back(each.name);
    for (const std::string& alias : each.aliases) names.push_back(alias);
  }
  json schema = param_schema(*find_param(file_params(), "variant"));
  // Names are taken without regard to case, so they are examples, not the only spellings.
  schema["examples"] = names;
  return schema;
}

}  // namespace

json pipeline_schema(const registry::Registry* registry, const VariantInfo* variant) {
  json schema = table_schema("A pipeline file of Gesso", file_params(), /*open=*/false);
  schema["$schema"] = "http://json-schema.org/draft-07/schema#";
  schema["title"] = variant ? "Gesso pipeline: " + variant->name : "Gesso pipeline";
  json& properties = schema["properties"];
  properties["extends"] = {
      {"type", "string"},
      {"description", "Another pipeline file that this one builds on; relative to this file"}};
  properties["components"] =
      registry && variant ? components_schema(*registry, *variant) : open_components_schema();
  properties["adapters"] = {
      {"type", "array"},
      {"description", "LoRA files, stacked in order; base weights are never changed"},
      {"items", table_schema("A LoRA", adapter_params(), /*open=*/false)}};
  properties["generate"] = generate_schema(registry, variant);
  properties["output"] = table_schema("Where results go", output_params(), /*open=*/false);
  properties["plugins"] = table_schema("How plugins are run", plugins_params(), /*open=*/false);
  properties["memory"] =
      table_schema("Where weights are, and what they may take", memory_params(), /*open=*/false);
  if (registry) properties["variant"] = variant_schema(*registry, variant);
  return schema;
}

json recipe_schema(const registry::Registry* registry) {
  json schema = pipeline_schema(registry, nullptr);
  schema["title"] = "Gesso recipe";
  schema["description"] = "A recipe of Gesso: a pipeline file with a table [train]";
  json train = table_schema("What is trained on what, and how", train_params(), /*open=*/false);
  // Shards of one model are a list in the list.
  const json text = {{"type", "string"}};
  train["properties"]["model_paths"]["anyOf"] = {
      text,
      {{"type", "array"},
       {"items", {{"anyOf", {text, {{"type", "array"}, {"items", text}}}}}},
       {"minItems", 1}}};
  schema["properties"]["train"] = std::move(train);
  schema["required"] = {"train"};
  return schema;
}

}  // namespace gesso::config
