// What happened when: stages, computing units, moves and reads, in the format that chrome://tracing
// and ui.perfetto.dev show.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/report.hpp"

namespace gesso::runtime {

/// Any thread may add. Nothing is kept, and nearly nothing spent, until `start`.
class Timeline {
 public:
  enum Row { kStages = 1, kCompute, kMoves, kReading };

  void start();
  bool on() const { return on_; }
  void add(Row row, std::string name, Clock::time_point begin, Clock::time_point end,
           nlohmann::json details = nullptr);
  /// Everything since `start` as {"traceEvents": [...]}; nothing is kept any more.
  nlohmann::json stop();

 private:
  struct Entry {
    Row row;
    std::string name;
    Clock::time_point begin, end;
    nlohmann::json details;
  };
  std::atomic<bool> on_ = false;
  std::mutex mutex_;
  Clock::time_point start_;
  std::vector<Entry> entries_;
};

}  // namespace gesso::runtime
