// The job "quantize": a checkpoint once more, in another storage format.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/api/job.hpp"

namespace gesso::api {

/// @param values  `input`: weights as of "inspect"; `output`: the new file; `format`: a storage
///                format; `target_modules`, `exclude_modules` (optional): lists of modules;
///                `architecture` (optional): of a GGUF file
/// @return        The report: {"output", "format", "quantised", "kept", "left": [names],
///                "bytes_before", "bytes_after", "error", "decode_seconds", "seconds"}
/// @throws Error  a wrong request, at once; the body throws as weights::quantize_file
Job::Body quantization(const nlohmann::json& values);

}  // namespace gesso::api
