// The job "synthesize": weights with the sizes of a real model and random content.
#pragma once

#include <memory>

#include <nlohmann/json.hpp>

#include "engine/api/job.hpp"
#include "engine/registry/registry.hpp"

namespace gesso::api {

/// @param values  `variant`: name; `folder`: where the files go, made if missing; `text_layers`
///                (optional): so many layers in the text encoder, for machines with little disk;
///                `tokenizer` (optional): the folder of a tokenizer that the pipeline shall name
/// @return        writes <folder>/<role>/model.safetensors and config.json for each role whose
/// sizes
///                the variant tells, and <folder>/pipeline.toml. The report: {"folder", "pipeline",
///                "files": {role: path}}
/// @throws Error  a wrong request, at once; the body throws what writing throws
Job::Body synthesis(std::shared_ptr<registry::Registry> registry, const nlohmann::json& values);

}  // namespace gesso::api
