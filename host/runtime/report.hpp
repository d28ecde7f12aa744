// What a run cost: seconds per stage and step, memory, crossings of the plugin boundary.
#pragma once

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

namespace gesso::runtime {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Peak and present memory of this process in bytes: "peak_rss", "anonymous", "file_mapped".
nlohmann::json process_memory();

}  // namespace gesso::runtime
