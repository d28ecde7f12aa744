// The files of one component: weights, recognised by their content, and the config.json beside
// them.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/config/pipeline_plan.hpp"

namespace gesso::config {

/// Opens `paths` as the weights of `plan.info` and fills `files`, `weights` and `config`. Headers
/// are read, tensors are not.
/// @throws Error  as WeightSet::open; Incompatible saying what the files look like and what they
/// lack;
///                BadData for a config.json that is not JSON
void open_weights(ComponentPlan& plan, std::span<const std::filesystem::path> paths,
                  const registry::Registry& registry);

/// `config.json` of a folder as one level: {"rope": {"theta": 10}} is "rope.theta". Numbers, texts,
/// truth values and lists of them are kept. Null when there is no such file.
nlohmann::json read_flat_config(const std::filesystem::path& folder);

}  // namespace gesso::config
