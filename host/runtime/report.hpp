// What a run cost: seconds per stage and step, memory, crossings of the plugin boundary.
#pragma once

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "runtime/runtime.hpp"

namespace gesso::runtime {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Seconds per stage; announces each stage as it begins.
class Report {
 public:
  explicit Report(const Watch& watch) : watch_(watch) {}
  void begin(const std::string& stage);
  void end();

  nlohmann::json json = {{"stages", nlohmann::json::object()}, {"steps", nlohmann::json::array()}};

 private:
  const Watch& watch_;
  std::string stage_;
  Clock::time_point start_;
};

/// Peak and present memory of this process in bytes: "peak_rss", "anonymous", "file_mapped".
nlohmann::json process_memory();

}  // namespace gesso::runtime
