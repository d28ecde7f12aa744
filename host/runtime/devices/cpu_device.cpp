// Main memory. Large pieces come straight from the system, so that what is given back is gone from
// the process, and one piece is kept: the blocks of a model have equal sizes, and fresh pages cost
// more than copying into old ones.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "runtime/devices/device.hpp"

namespace gesso::runtime {
namespace {

constexpr uint64_t kLarge = 1 << 20;

std::byte* map(uint64_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  ::madvise(memory, bytes, MADV_HUGEPAGE);  // a hint; fewer faults where the system takes it
  return static_cast<std::byte*>(memory);
}

class CpuDevice : public Device {
 public:
  CpuDevice() : Device("cpu") {}
  ~CpuDevice() override { trim(); }
  DLDevice dl() const override { return {kDLCPU, 0}; }
  bool is_host() const override { return true; }

  void trim() override {
    const std::lock_guard lock(mutex_);
    drop_kept();
  }

 protected:
  std::byte* take(uint64_t bytes) override {
    if (bytes < kLarge) {
      return static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 64) / 64 * 64));
    }
    const std::lock_guard lock(mutex_);
    if (kept_bytes_ == bytes) {
      kept_bytes_ = 0;
      return std::exchange(kept_, nullptr);
    }
    drop_kept();
    return map(bytes);
  }
  void give(std::byte* memory, uint64_t bytes) override {
    if (bytes < kLarge) return std::free(memory);
    const std::lock_guard lock(mutex_);
    drop_kept();
    kept_ = memory;
    kept_bytes_ = bytes;
  }
  void copy_in(std::byte* to, std::span<const std::byte> from) override {
    if (!from.empty()) std::memcpy(to, from.data(), from.size());
  }
  void copy_out(const std::byte* from, std::span<std::byte> to) override {
    if (!to.empty()) std::memcpy(to.data(), from, to.size());
  }

 private:
  void drop_kept() {
    if (kept_) ::munmap(kept_, kept_bytes_);
    kept_ = nullptr;
    kept_bytes_ = 0;
  }

  std::mutex mutex_;
  std::byte* kept_ = nullptr;
  uint64_t kept_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Device> make_cpu_device() { return std::make_unique<CpuDevice>(); }

}  // namespace gesso::runtime
