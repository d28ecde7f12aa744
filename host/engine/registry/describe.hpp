// What the registry knows, as JSON: for `gesso plugins list` and `describe`, and for embedders.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

#include "engine/registry/registry.hpp"

namespace gesso::registry {

/// {"plugins": [{"id", "version", "vendor", "license", "runtime", "manifest", "library",
///               "sha256", "shipped", "permissions": {"read", "write", "network", "processes",
///               "own_threads", "devices"},
///               "components": [id], "variants": [id]}],
///  "candidates": [{"path", "source", "accepted", "plugin", "reason"}]}
nlohmann::json plugins_json(const Registry& registry);

/// One component, or a list of all when `id` is empty:
/// {"id", "kind", "name", "version", "summary", "plugin", "interfaces": [id],
///  "params": [{"key", "type", "summary", "unit", "default", "min", "max", "choices"}],
///  "run_params": as "params", "weights": null | {"tensors", "layouts": [name]}}
/// Of a parameter only those are there that it has, except key, type and summary.
/// @throws Error NotFound as Registry::component
nlohmann::json components_json(const Registry& registry, std::string_view id = {});

/// One variant by id, name or alias, or a list of all when `name` is empty:
/// {"id", "name", "aliases", "summary", "plugin", "file", "notes", "defaults", "limits",
///  "roles": [{"name", "kind", "component", "required", "available"}], "synthetic"}
/// `available`: the component is among the plugins that were found.
/// @throws Error NotFound as Registry::variant
nlohmann::json variants_json(const Registry& registry, std::string_view name = {});

}  // namespace gesso::registry
