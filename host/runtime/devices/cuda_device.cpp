// CUDA through libtorch's own interfaces, so that the file is compiled whatever libtorch has.
// Written without a card at hand: it was never run.
#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <map>
#include <mutex>

#include "gesso/cpp/error.hpp"
#include "runtime/devices/device.hpp"

namespace gesso::runtime {
namespace {

class CudaDevice : public Device {
 public:
  CudaDevice(const std::string& name, int index)
      : Device(name),
        index_(index),
        options_(at::TensorOptions(at::kByte).device(
            at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index)))) {}
  DLDevice dl() const override { return {kDLCUDA, index_}; }

 protected:
  std::byte* take(uint64_t bytes) override {
    at::Tensor memory = at::empty({static_cast<int64_t>(bytes)}, options_);
    auto* data = static_cast<std::byte*>(memory.data_ptr());
    const std::lock_guard lock(mutex_);
    blocks_.emplace(data, std::move(memory));
    return data;
  }
  void give(std::byte* memory, uint64_t) override {
    const std::lock_guard lock(mutex_);
    blocks_.erase(memory);
  }
  void copy_in(std::byte* to, std::span<const std::byte> from) override {
    on_card(to, from.size()).copy_(on_host(from.data(), from.size()));
  }
  void copy_out(const std::byte* from, std::span<std::byte> to) override {
    on_host(to.data(), to.size()).copy_(on_card(from, to.size()));
  }

 private:
  at::Tensor on_card(const std::byte* data, size_t bytes) const {
    return at::from_blob(const_cast<std::byte*>(data), {static_cast<int64_t>(bytes)}, options_);
  }
  static at::Tensor on_host(const std::byte* data, size_t bytes) {
    return at::from_blob(const_cast<std::byte*>(data), {static_cast<int64_t>(bytes)}, at::kByte);
  }

  int index_;
  at::TensorOptions options_;
  std::mutex mutex_;
  std::map<const std::byte*, at::Tensor> blocks_;
};

}  // namespace

std::unique_ptr<Device> make_cuda_device(const std::string& name, int index) {
  if (!at::hasCUDA()) {
    throw Error(Status::NotSupported,
                fmt::format("device \"{}\": this libtorch was built without CUDA", name));
  }
  if (index >= at::getNumGPUs()) {
    throw Error(Status::NotSupported, fmt::format("device \"{}\": this machine has {} CUDA devices",
                                                  name, at::getNumGPUs()));
  }
  return std::make_unique<CudaDevice>(name, index);
}

}  // namespace gesso::runtime
