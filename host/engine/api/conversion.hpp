// The job "convert": a checkpoint in another layout, container or storage format.
#pragma once

#include <memory>

#include <nlohmann/json.hpp>

#include "engine/api/job.hpp"
#include "engine/registry/registry.hpp"

namespace gesso::api {

/// @param values  `input`: weights as of "inspect"; `output`: a file that ends with .safetensors or
///                .gguf. Optional: `component`: id, where a file fits several; `layout`: a name of
///                the manifest; `prefix`: one of the layout's; `format`: a storage format with
///                `target_modules`, `exclude_modules`; `max_shard_size`: "5GB", "500MiB" or bytes
/// @return        The report: {"files", "component", "from": {"layout", "prefix"}, "to": {"layout",
///                "prefix"}, "tensors", "stored", "decoded", "requantised", "left": [names],
///                "left_out": [names], "bytes_before", "bytes_after", "seconds"}
/// @throws Error  a wrong request, at once; the body throws as weights::convert_file, and
///                Incompatible for files that are no known component, telling what they look like
Job::Body conversion(std::shared_ptr<registry::Registry> registry, const nlohmann::json& values);

}  // namespace gesso::api
