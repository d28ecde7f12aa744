// The machine, what computes on it, and whether every plugin can be loaded.
#pragma once

#include <nlohmann/json.hpp>

namespace gesso::api {

class Engine;

/// {"version", "machine": {"processor", "cores", "memory_bytes", "system"},
///  "runtime": {"libtorch", ...} or {"error"}, "plugins", "candidates" (as plugins_json, but after
///  every plugin was loaded), "variants": [name], "ok"}
nlohmann::json doctor_json(Engine& engine);

}  // namespace gesso::api
