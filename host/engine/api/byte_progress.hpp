// How far a job with many bytes is.
#pragma once

#include <chrono>
#include <string>
#include <thread>

#include "engine/api/job.hpp"

namespace gesso::api {

/// Tells how far the bytes are, a few hundred times in all, with rate and time left.
class ByteProgress {
 public:
  ByteProgress(Job& job, std::string stage) : job_(job), stage_(std::move(stage)) {}

  void start_stage() const;
  /// From any thread; events leave by the job's own.
  void show(uint64_t done, uint64_t total, const std::string& file);

 private:
  using Clock = std::chrono::steady_clock;
  Job& job_;
  std::string stage_;
  const std::thread::id job_thread_ = std::this_thread::get_id();
  bool started_ = false;
  Clock::time_point begin_, told_;
  uint64_t first_ = 0, told_bytes_ = 0;
};

}  // namespace gesso::api
