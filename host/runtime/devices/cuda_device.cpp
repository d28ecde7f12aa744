// CUDA through libtorch's own interfaces, so that the file is compiled whatever libtorch has.
// Written without a card at hand: it was never run.
//
// Copies go over a stream of their own and through pinned memory, so that reading ahead, which
// another thread does, runs beside the kernels of the computing stream.
#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/core/StreamGuard.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>

#include "gesso/cpp/error.hpp"
#include "runtime/devices/device.hpp"

namespace gesso::runtime {
namespace {

constexpr size_t kStage = 16 << 20;  // bytes of one half of the pinned memory

/// Copies between main memory and a card on a stream of its own: while one half of the pinned
/// memory is on its way, the other one is filled. One thread at a time.
class PinnedCopies {
 public:
  explicit PinnedCopies(c10::Device card)
      : card_(card),
        stream_(c10::impl::VirtualGuardImpl(card.type()).getStreamFromGlobalPool(card)) {
    const auto pinned = at::TensorOptions(at::kByte).pinned_memory(true);
    for (Half& half : halves_) half.memory = at::empty({static_cast<int64_t>(kStage)}, pinned);
  }

  /// Later copies begin after the kernels that were launched so far: memory that is given back may
  /// still be read by them.
  void follow_kernels() {
    const std::lock_guard lock(mutex_);
    c10::Event launched(card_.type());
    launched.record(c10::impl::VirtualGuardImpl(card_.type()).getDefaultStream(card_));
    launched.block(stream_);
  }
  /// `to`: bytes on the card. Done when it returns.
  void copy_in(const at::Tensor& to, std::span<const std::byte> from) {
    const std::lock_guard lock(mutex_);
    const c10::StreamGuard on(stream_);
    for (size_t at = 0, turn = 0; at < from.size(); at += kStage, turn ^= 1) {
      const size_t bytes = std::min(kStage, from.size() - at);
      Half& half = halves_[turn];
      half.sent.synchronize();
      std::memcpy(half.memory.data_ptr(), from.data() + at, bytes);
      to.narrow(0, as_size(at), as_size(bytes))
          .copy_(half.memory.narrow(0, 0, as_size(bytes)), /*non_blocking=*/true);
      half.sent.record(stream_);
    }
    stream_.synchronize();
  }
  /// `from`: bytes on the card. Done when it returns.
  void copy_out(const at::Tensor& from, std::span<std::byte> to) {
    const std::lock_guard lock(mutex_);
    const c10::StreamGuard on(stream_);
    for (size_t at = 0; at < to.size(); at += kStage) {
      const size_t bytes = std::min(kStage, to.size() - at);
      const at::Tensor half = halves_[0].memory.narrow(0, 0, as_size(bytes));
      half.copy_(from.narrow(0, as_size(at), as_size(bytes)), /*non_blocking=*/true);
      stream_.synchronize();
      std::memcpy(to.data() + at, half.data_ptr(), bytes);
    }
  }

 private:
  struct Half {
    at::Tensor memory;
    c10::Event sent{c10::DeviceType::CUDA};  // the last copy out of it; done when there was none
  };
  static int64_t as_size(size_t value) { return static_cast<int64_t>(value); }

  c10::Device card_;
  c10::Stream stream_;
  std::array<Half, 2> halves_;
  std::mutex mutex_;
};

class CudaDevice : public Device {
 public:
  CudaDevice(const std::string& name, int index)
      : Device(name),
        index_(index),
        options_(at::TensorOptions(at::kByte).device(
            at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index)))),
        copies_(options_.device()) {}
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
    copies_.follow_kernels();
    const std::lock_guard lock(mutex_);
    blocks_.erase(memory);
  }
  void copy_in(std::byte* to, std::span<const std::byte> from) override {
    copies_.copy_in(on_card(to, from.size()), from);
  }
  void copy_out(const std::byte* from, std::span<std::byte> to) override {
    copies_.follow_kernels();
    copies_.copy_out(on_card(from, to.size()), to);
  }

 private:
  at::Tensor on_card(const std::byte* data, size_t bytes) const {
    return at::from_blob(const_cast<std::byte*>(data), {static_cast<int64_t>(bytes)}, options_);
  }

  int index_;
  at::TensorOptions options_;
  PinnedCopies copies_;
  std::mutex mutex_;
  std::map<const std::byte*, at::Tensor> blocks_;
};

}  // namespace

std::unique_ptr<Device> make_cuda_device(const std::string& name, int index) {
  if (!at::hasCUDA()) {
    throw Error(Status::NotSupported,
                fmt::format("device \"{}\": this libtorch was built without CUDA", name));
  }
  if (index >= static_cast<int>(at::getNumGPUs())) {
    throw Error(Status::NotSupported, fmt::format("device \"{}\": this machine has {} CUDA devices",
                                                  name, at::getNumGPUs()));
  }
  return std::make_unique<CudaDevice>(name, index);
}

}  // namespace gesso::runtime
