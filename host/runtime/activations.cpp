#include "runtime/activations.hpp"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>

namespace gesso::runtime {

struct ActivationMeter::Counter : public c10::MemoryReportingInfoBase {
  mutable std::mutex mutex;
  std::unordered_map<void*, uint64_t> sizes;  // what was freed but never allocated here is not ours
  uint64_t live = 0, peak = 0;

  void reportMemoryUsage(void* memory, int64_t change, size_t, size_t,
                         c10::Device device) override {
    if (device.type() != c10::DeviceType::CPU) return;
    const std::lock_guard lock(mutex);
    if (change > 0) {
      sizes[memory] = static_cast<uint64_t>(change);
      live += static_cast<uint64_t>(change);
      peak = std::max(peak, live);
    } else if (const auto found = sizes.find(memory); found != sizes.end()) {
      live -= found->second;
      sizes.erase(found);
    }
  }
  bool memoryProfilingEnabled() const override { return true; }
};

ActivationMeter::ActivationMeter()
    : counter_(std::make_shared<Counter>()),
      guard_(std::make_unique<c10::DebugInfoGuard>(c10::DebugInfoKind::PROFILER_STATE, counter_)) {}
ActivationMeter::~ActivationMeter() = default;

uint64_t ActivationMeter::live() const {
  const std::lock_guard lock(counter_->mutex);
  return counter_->live;
}

uint64_t ActivationMeter::peak() const {
  const std::lock_guard lock(counter_->mutex);
  return counter_->peak;
}

void ActivationMeter::reset_peak() {
  const std::lock_guard lock(counter_->mutex);
  counter_->peak = counter_->live;
}

}  // namespace gesso::runtime
