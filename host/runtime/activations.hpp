// What tensors take while modules compute: libtorch tells of each allocation of this thread.
#pragma once

#include <cstdint>
#include <memory>

namespace c10 {
class DebugInfoGuard;
}

namespace gesso::runtime {

/// Counts the bytes of tensors in main memory that were allocated since it was made and not freed
/// again. What oneDNN and MKL take for themselves is not told.
class ActivationMeter {
 public:
  ActivationMeter();
  ~ActivationMeter();
  ActivationMeter(const ActivationMeter&) = delete;
  ActivationMeter& operator=(const ActivationMeter&) = delete;

  uint64_t live() const;
  uint64_t peak() const;
  /// The peak begins anew at what is live now.
  void reset_peak();

 private:
  struct Counter;
  std::shared_ptr<Counter> counter_;
  std::unique_ptr<c10::DebugInfoGuard> guard_;
};

}  // namespace gesso::runtime
