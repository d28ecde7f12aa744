// The job "train": a recipe from its file to its last checkpoint.
#pragma once

#include <functional>
#include <memory>

#include <nlohmann/json.hpp>

#include "engine/api/job.hpp"
#include "engine/registry/registry.hpp"

namespace gesso::api {

/// @param runtime  called when the job runs
/// @param values   `recipe`: the path of a recipe; `set` (optional): overrides
/// @return         trains, and writes reports beside the checkpoints (see
/// reports/training_log.hpp).
///                 The report: what training returned, and "output_path"
/// @throws Error   a wrong recipe, at once; the body throws what training throws
Job::Body training(std::shared_ptr<registry::Registry> registry,
                   std::function<runtime::Runtime&()> runtime, const nlohmann::json& values);

}  // namespace gesso::api
