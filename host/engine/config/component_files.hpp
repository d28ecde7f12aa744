// The files of one component: weights, recognised by their content, and the config.json beside
// them.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/config/pipeline_plan.hpp"
#include "engine/models/model_ref.hpp"

namespace gesso::config {

/// A model's files on this machine.
/// @param missing  gets the model when they are not there and may be fetched; null: nobody asks
/// @throws Error   as models::find_local
std::vector<std::filesystem::path> find_or_note(const models::ModelRef& model,
                                                std::vector<models::ModelRef>* missing);

/// Opens `paths` as the weights of `plan.info` and fills `files`, `weights` and `config`. Names
/// are changed by `renames` first. Headers
/// are read, tensors are not.
/// @throws Error  as WeightSet::open; Incompatible saying what the files look like and what they
/// lack;
///                BadData for a config.json that is not JSON
void open_weights(ComponentPlan& plan, std::span<const std::filesystem::path> paths,
                  std::span<const weights::RenameRule> renames, const registry::Registry& registry);

/// `config.json` of a folder as one level: {"rope": {"theta": 10}} is "rope.theta". Numbers, texts,
/// truth values and lists of them are kept. Null when there is no such file.
nlohmann::json read_flat_config(const std::filesystem::path& folder);

}  // namespace gesso::config
