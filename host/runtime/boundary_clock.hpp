// How long the host's side of the plugin boundary takes, so that it can be shown to be nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace gesso::runtime {

class BoundaryClock {
 public:
  /// Counts one crossing and its time.
  class Scope {
   public:
    explicit Scope(BoundaryClock* clock)
        : clock_(clock), start_(std::chrono::steady_clock::now()) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      if (!clock_) return;
      const auto time = std::chrono::steady_clock::now() - start_;
      clock_->nanoseconds_ += std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
      ++clock_->crossings_;
    }

   private:
    BoundaryClock* clock_;
    std::chrono::steady_clock::time_point start_;
  };

  void reset() { nanoseconds_ = crossings_ = 0; }
  double seconds() const { return static_cast<double>(nanoseconds_) * 1e-9; }
  uint64_t crossings() const { return crossings_; }

 private:
  std::atomic<uint64_t> nanoseconds_ = 0, crossings_ = 0;
};

}  // namespace gesso::runtime
