// Everything that is known about weight files without computing with them, as JSON.
#pragma once

#include "engine/weights/recognise.hpp"

#include <nlohmann/json.hpp>

#include <span>

namespace gesso::weights {

/// {
///   "files": [{"path", "format", "size_bytes"}],
///   "tensors": [{"name", "dtype", "shape", "size_bytes", "file"}],
///   "total": {"tensors", "parameters" (of the weights, however they are stored), "elements" (of
///   the tensors), "size_bytes"},
///   "dtypes": {"BF16": {"tensors", "size_bytes"}},
///   "formats": {"nf4": {"weights", "size_bytes"}}, "problems": ["tensor ...: ..."],
///   "metadata": {}, "structure_hash": "...", "family": "" | "a LoRA ...", "summary": "...",
///   "matches": [{"component", "layout", "prefix", "exact", "score", "expected", "present",
///                "sizes", "counts", "missing", "unexpected", "wrong_shapes": [{"name", "found",
///                "expected"}]}]
/// }
nlohmann::json inspect_json(const WeightSet& set, std::span<const ComponentPattern> patterns);

}  // namespace gesso::weights
