// A recipe: a pipeline file with a table [train]. See docs/training.md.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/node.hpp"
#include "engine/config/problem.hpp"
#include "engine/config/train_plan.hpp"
#include "engine/models/model_ref.hpp"

namespace gesso::config {

/// Whether a document is a recipe.
bool is_recipe(const Node& document);

/// As `apply_overrides`; a key without a dot that [train] has stands for `train.<key>`:
/// "learning_rate=1e-5".
Node apply_train_overrides(Node document, std::span<const std::string> overrides);

/// Reads a file, what it extends, and overrides.
/// @throws Error  as load_pipeline
TrainPlan load_recipe(std::shared_ptr<registry::Registry> registry,
                      const std::filesystem::path& path,
                      std::span<const std::string> overrides = {});
TrainPlan load_recipe_text(std::shared_ptr<registry::Registry> registry, std::string_view text,
                           const std::string& name, const std::filesystem::path& folder,
                           std::span<const std::string> overrides = {});

/// Checks all of it and goes on after a problem. Models that are named by `model_paths` and
/// `model_id_with_origin_paths` become components. The plan is complete only if `problems` has no
/// error; remarks about keys that mean nothing here are warnings.
/// @param missing  gets what is to be fetched from hubs; null: nobody asks
TrainPlan check_recipe(const Node& document, std::shared_ptr<registry::Registry> registry,
                       const std::string& name, Problems& problems,
                       std::vector<models::ModelRef>* missing = nullptr);

}  // namespace gesso::config
