// The job "convert": a checkpoint or LoRA in another layout, container, dialect or storage format;
// LoRAs into weights, into one another, and out of weights.
#pragma once

#include <functional>
#include <memory>

#include <nlohmann/json.hpp>

#include "engine/api/job.hpp"
#include "engine/registry/registry.hpp"
#include "runtime/adapter_file.hpp"

namespace gesso::api {

/// @param tools   called when LoRAs are worked on
/// @param values  `input`: weights as of "inspect"; `output`: a file that ends with .safetensors or
///                .gguf. Optional: `component`: id, where a file fits several; `layout`: a name of
///                the manifest, for LoRAs a dialect; `prefix`: one of the layout's; `format`: a
///                storage format with `target_modules`, `exclude_modules`; `max_shard_size`: "5GB",
///                "500MiB" or bytes; `loras` with `lora_scales`: files that are added to the input;
///                `scale`: of an input that is a LoRA; `base`: weights that the input was made of,
///                the result is a LoRA; `rank`: of the result, with `base` or several LoRAs;
///                `allow_unmatched`: keys of LoRAs that match no weight are left out
/// @return        The report: {"files", "component", "from": {"layout", "prefix"}, "to": {"layout",
///                "prefix"}, "tensors", "stored", "decoded", "requantised", "left": [names],
///                "left_out": [names], "merged": LoRAs, "bytes_before", "bytes_after", "seconds"};
///                of a LoRA that of lora_jobs.hpp
/// @throws Error  a wrong request, at once; the body throws as weights::convert_file, and
///                Incompatible for files that are no known component, telling what they look like
Job::Body conversion(std::shared_ptr<registry::Registry> registry,
                     std::function<runtime::AdapterTools&()> tools, const nlohmann::json& values);

}  // namespace gesso::api
