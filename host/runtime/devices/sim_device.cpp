// A simulated accelerator: what is on it was copied there, within its capacity, no faster than its
// bandwidth.
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "runtime/devices/device.hpp"
#include "runtime/report.hpp"

namespace gesso::runtime {
namespace {

class SimDevice : public Device {
 public:
  SimDevice(const std::string& name, const SimSettings& settings)
      : Device(name), settings_(settings) {}
  DLDevice dl() const override { return {kDLCPU, 0}; }  // the kernels of the CPU run on it

 protected:
  std::byte* take(uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (settings_.capacity > 0 && taken_ + bytes > settings_.capacity) return nullptr;
    taken_ += bytes;
    return static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 64) / 64 * 64));
  }
  void give(std::byte* memory, uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    taken_ -= bytes;
    std::free(memory);
  }
  void copy_in(std::byte* to, std::span<const std::byte> from) override {
    copy(to, from.data(), from.size());
  }
  void copy_out(const std::byte* from, std::span<std::byte> to) override {
    copy(to.data(), from, to.size());
  }

 private:
  void copy(std::byte* to, const std::byte* from, size_t bytes) const {
    const auto start = Clock::now();
    if (bytes > 0) std::memcpy(to, from, bytes);
    if (settings_.bandwidth <= 0) return;
    const double wanted = static_cast<double>(bytes) / settings_.bandwidth;
    std::this_thread::sleep_until(
        start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(wanted)));
  }

  SimSettings settings_;
  std::mutex mutex_;
  uint64_t taken_ = 0;
};

}  // namespace

std::unique_ptr<Device> make_sim_device(const std::string& name, const SimSettings& settings) {
  return std::make_unique<SimDevice>(name, settings);
}

}  // namespace gesso::runtime
