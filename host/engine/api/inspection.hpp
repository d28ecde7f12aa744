// The question "inspect": what weight files and folders of models are.
#pragma once

#include <filesystem>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/registry/registry.hpp"

namespace gesso::api {

/// Of weights (a file, a folder with shards, a pattern): weights::inspect_json, and
///   "variants": names of those whose component it is,
///   "adapter": null | {"component", "dialect", "target", "modules": {name: count}, "pairs",
///                      "ranks"}: who reads it, how it spells names, whose weights it is for
/// Of a folder whose subfolders are the parts of a model, as diffusers lays them out:
///   {"parts": {name: as above | {"summary"}}, "variants": those that all parts fit,
///    "total": {"tensors", "parameters", "elements", "size_bytes"}, "summary", "model_index"}
/// @throws Error  as WeightSet::open
nlohmann::json inspect(const std::filesystem::path& path, const registry::Registry& registry);

/// Of all components.
std::vector<weights::ComponentPattern> patterns_of(const registry::Registry& registry);

}  // namespace gesso::api
