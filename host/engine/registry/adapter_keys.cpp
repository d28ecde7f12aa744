#include "engine/registry/adapter_keys.hpp"

#include <fnmatch.h>

#include <algorithm>

namespace gesso::registry {
namespace {

bool matches_any(const std::string& name, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

bool reads(const ComponentInfo& source, const std::vector<std::string>& names) {
  const auto& [keys, marks] = source.adapter;
  const auto is_key = [&](const std::string& name) { return matches_any(name, keys); };
  const auto is_mark = [&](const std::string& name) { return matches_any(name, marks); };
  return !names.empty() && !keys.empty() && std::ranges::all_of(names, is_key) &&
         (marks.empty() || std::ranges::any_of(names, is_mark));
}

}  // namespace

const ComponentInfo* adapter_for(const std::vector<std::string>& names, const Registry& registry) {
  for (const ComponentInfo& component : registry.components())
    if (component.kind == "delta_source" && reads(component, names)) return &component;
  return nullptr;
}

bool is_adapter_key(const std::string& name, const Registry& registry) {
  return std::ranges::any_of(registry.components(), [&](const ComponentInfo& component) {
    return component.kind == "delta_source" && matches_any(name, component.adapter.keys);
  });
}

}  // namespace gesso::registry
