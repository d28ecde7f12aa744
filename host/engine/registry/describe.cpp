#include "engine/registry/describe.hpp"

#include <algorithm>

#include "engine/registry/param.hpp"
#include "engine/registry/trust.hpp"

namespace gesso::registry {
namespace {

using nlohmann::json;

template <class Item, class Describe>
json list(const std::vector<Item>& items, Describe&& describe) {
  json result = json::array();
  for (const Item& item : items) result.push_back(describe(item));
  return result;
}

json permissions_json(const Permissions& permissions) {
  return {{"read", permissions.read},
          {"write", permissions.write},
          {"network", permissions.network},
          {"processes", permissions.processes},
          {"own_threads", permissions.own_threads},
          {"devices", permissions.devices}};
}

json plugin_json(const PluginInfo& plugin) {
  return {{"id", plugin.id},
          {"version", plugin.version},
          {"vendor", plugin.vendor},
          {"license", plugin.license},
          {"runtime", plugin.runtime},
          {"manifest", plugin.manifest.string()},
          {"library", plugin.library.string()},
          {"sha256", plugin.sha256},
          {"shipped", is_shipped(plugin.manifest)},
          {"permissions", permissions_json(plugin.permissions)},
          {"components", plugin.components},
          {"variants", plugin.variants}};
}

json candidate_json(const Candidate& candidate) {
  return {{"path", candidate.path.string()},
          {"source", candidate.source},
          {"accepted", candidate.accepted},
          {"plugin", candidate.plugin_id},
          {"reason", candidate.reason}};
}

json param_json(const Param& param) {
  json result{{"key", param.key}, {"type", type_name(param.type)}, {"summary", param.summary}};
  if (!param.unit.empty()) result["unit"] = param.unit;
  if (!param.preset.is_null()) result["default"] = param.preset;
  if (!param.min.is_null()) result["min"] = param.min;
  if (!param.max.is_null()) result["max"] = param.max;
  if (!param.choices.empty()) result["choices"] = param.choices;
  return result;
}

json pattern_json(const weights::ComponentPattern& pattern) {
  json layouts = json::array();
  for (const weights::Layout& layout : pattern.layouts) layouts.push_back(layout.name);
  return {{"tensors", pattern.tensors.size()}, {"layouts", layouts}};
}

json component_json(const ComponentInfo& component) {
  return {{"id", component.id},
          {"kind", component.kind},
          {"name", component.name},
          {"version", component.version},
          {"summary", component.summary},
          {"plugin", component.plugin_id},
          {"interfaces", component.interfaces},
          {"params", list(component.params, param_json)},
          {"run_params", list(component.run_params, param_json)},
          {"weights", component.pattern ? pattern_json(*component.pattern) : json()}};
}

json role_json(const Role& role, const Registry& registry) {
  const auto& components = registry.components();
  const auto found = std::ranges::find(components, role.component, &ComponentInfo::id);
  return {{"name", role.name},
          {"kind", role.kind},
          {"component", role.component},
          {"required", role.required},
          {"many", role.many},
          {"same", role.same},
          {"model_id", role.model_id},
          {"origin_file_pattern", role.origin_file_pattern},
          {"storage_warning", role.storage_warning},
          {"available", found != components.end()}};
}

json variant_json(const VariantInfo& variant, const Registry& registry) {
  const auto role = [&](const Role& item) { return role_json(item, registry); };
  return {{"id", variant.id},
          {"name", variant.name},
          {"aliases", variant.aliases},
          {"summary", variant.summary},
          {"plugin", variant.plugin_id},
          {"file", variant.file.string()},
          {"notes", variant.notes},
          {"defaults", variant.defaults},
          {"limits", variant.limits},
          {"roles", list(variant.roles, role)},
          {"synthetic", variant.synthetic}};
}

}  // namespace

json plugins_json(const Registry& registry) {
  return {{"plugins", list(registry.plugins(), plugin_json)},
          {"candidates", list(registry.candidates(), candidate_json)}};
}

json components_json(const Registry& registry, std::string_view id) {
  if (!id.empty()) return component_json(registry.component(id));
  return list(registry.components(), component_json);
}

json variants_json(const Registry& registry, std::string_view name) {
  if (!name.empty()) return variant_json(registry.variant(name), registry);
  return list(registry.variants(), [&](const auto& item) { return variant_json(item, registry); });
}

}  // namespace gesso::registry
