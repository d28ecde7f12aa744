// Where bytes of weights can lie: main memory, an accelerator, or an accelerator that is only
// simulated.
//
//   "cpu"      main memory
//   "sim:N"    main memory that is counted as an accelerator's: a capacity of its own, transfers by
//              copy, at a given bandwidth; modules compute on it as on the CPU
//   "cuda:N"   where libtorch was built with CUDA; written, but not run by the authors
//   "disk", "meta"   in no memory at all: read again from the file when wanted
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "gesso/dlpack.h"

namespace gesso::runtime {

/// What went over a device's border so far, and what it holds. Any thread.
struct DeviceUsage {
  uint64_t used = 0, peak = 0;           // bytes allocated
  uint64_t bytes_in = 0, bytes_out = 0;  // by `write` and `read`
};

class Device {
 public:
  explicit Device(std::string name) : name_(std::move(name)) {}
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const std::string& name() const { return name_; }
  virtual DLDevice dl() const = 0;
  /// True where a host pointer can be used as it is, so that files need not be copied.
  virtual bool is_host() const { return false; }

  /// Memory aligned to 64 bytes, free again when the last pointer goes.
  /// @throws Error  OutOfMemory naming the device and what it has
  std::shared_ptr<std::byte> allocate(uint64_t bytes);
  /// From main memory; done when it returns.
  void write(std::byte* to, std::span<const std::byte> from);
  /// To main memory; done when it returns.
  void read(const std::byte* from, std::span<std::byte> to);
  /// Gives memory back that was kept for the next allocation.
  virtual void trim() {}

  DeviceUsage usage() const { return {used_, peak_, bytes_in_, bytes_out_}; }

 protected:
  virtual std::byte* take(uint64_t bytes) = 0;  // null: there is no more
  virtual void give(std::byte* memory, uint64_t bytes) = 0;
  virtual void copy_in(std::byte* to, std::span<const std::byte> from) = 0;
  virtual void copy_out(const std::byte* from, std::span<std::byte> to) = 0;

 private:
  std::string name_;
  std::atomic<uint64_t> used_ = 0, peak_ = 0, bytes_in_ = 0, bytes_out_ = 0;
};

/// Of simulated devices. 0: without limit.
struct SimSettings {
  uint64_t capacity = 0;  // bytes
  double bandwidth = 0;   // bytes per second
};

std::unique_ptr<Device> make_cpu_device();
std::unique_ptr<Device> make_sim_device(const std::string& name, const SimSettings& settings);
/// @throws Error  NotSupported when libtorch has no CUDA, or the machine no such card
std::unique_ptr<Device> make_cuda_device(const std::string& name, int index);

/// Whether a name stands for no memory at all.
bool is_nowhere(const std::string& device);

/// The devices of a pipeline, made when they are first asked for.
class Devices {
 public:
  explicit Devices(const SimSettings& sim = {}) : sim_(sim) {}
  /// @throws Error  InvalidArgument for a name that is no device; as `make_cuda_device`
  Device& get(const std::string& name);
  Device& cpu() { return get("cpu"); }

 private:
  SimSettings sim_;
  std::map<std::string, std::unique_ptr<Device>> devices_;
};

}  // namespace gesso::runtime
