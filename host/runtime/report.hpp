// What a run cost: seconds per stage and step, memory, crossings of the plugin boundary.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "runtime/runtime.hpp"

namespace gesso::runtime {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class ActivationMeter;
class Timeline;

/// Seconds per stage; announces each stage as it begins.
class Report {
 public:
  /// `timeline` gets the stages, `meter` tells what tensors take in each; both may be null.
  Report(const Watch& watch, Timeline* timeline, ActivationMeter* meter)
      : watch_(watch), timeline_(timeline), meter_(meter) {}
  void begin(const std::string& stage);
  void end();

  nlohmann::json json = {{"stages", nlohmann::json::object()}, {"steps", nlohmann::json::array()}};

 private:
  const Watch& watch_;
  Timeline* timeline_;
  ActivationMeter* meter_;
  uint64_t live_before_ = 0;
  std::string stage_;
  Clock::time_point start_;
};

/// Peak and present memory of this process in bytes: "peak_rss", "anonymous", "file_mapped".
nlohmann::json process_memory();

/// Looks at this process every few milliseconds, from a thread of its own, as long as it lives.
class MemoryWatch {
 public:
  MemoryWatch();
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;
  /// The most so far, in bytes: "peak_anonymous", "peak_file_mapped", "peak_both" at one time; and
  /// what came from disk, past the page cache: "disk_bytes".
  nlohmann::json peaks() const;

 private:
  struct Looking;
  std::unique_ptr<Looking> looking_;
};

}  // namespace gesso::runtime
