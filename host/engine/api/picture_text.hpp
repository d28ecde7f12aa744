// The text entries that a picture carries, so that it can be made again.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "engine/config/pipeline_plan.hpp"
#include "engine/image/image.hpp"

namespace gesso::api {

/// What every picture of a pipeline says besides its parameters: the pipeline file, the names of
/// the weight files by role, the version of Gesso.
nlohmann::json file_metadata(const config::PipelinePlan& plan);

/// Three entries: "gesso" is `metadata` as JSON, "parameters" the same for people, "seed" the seed.
std::vector<image::TextEntry> picture_texts(const nlohmann::json& metadata);

}  // namespace gesso::api
