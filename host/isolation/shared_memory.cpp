#include "isolation/shared_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "gesso/cpp/error.hpp"
#include "gesso/cpp/tensor.hpp"

namespace gesso::isolation {
namespace {

// Addresses only: pages come when the file grows.
constexpr uint64_t kReserved = 4 * kMostTensorBytes;
constexpr uint64_t kGrowth = uint64_t{1} << 20;

[[noreturn]] void no_memory() {
  throw Error(Status::OutOfMemory, fmt::format("no memory to share with the plugin's process: {}",
                                               std::strerror(errno)));
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Descriptor memory_file(const char* name) {
  Descriptor file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) no_memory();
  return file;
}

SharedMemory SharedMemory::create(const char* name) {
  Descriptor file = memory_file(name);
  if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) no_memory();
  return SharedMemory(std::move(file));
}

SharedMemory::SharedMemory(Descriptor file) : file_(std::move(file)) {
  void* base = ::mmap(nullptr, kReserved, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                      file_.get(), 0);
  if (base == MAP_FAILED) no_memory();
  base_ = static_cast<std::byte*>(base);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : file_(std::move(other.file_)),
      base_(std::exchange(other.base_, nullptr)),
      used_(other.used_),
      size_(other.size_) {}

SharedMemory::~SharedMemory() {
  if (base_) ::munmap(base_, kReserved);
}

uint64_t SharedMemory::size() const {
  struct stat info {};
  return ::fstat(file_.get(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

uint64_t SharedMemory::take(uint64_t bytes) {
  const uint64_t place = (used_ + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes > kReserved - place)
    throw Error(Status::OutOfMemory,
                fmt::format("{} bytes for a call to a plugin's process, at most {}", place + bytes,
                            kReserved));
  if (place + bytes > size_) {
    const uint64_t wanted = (place + bytes + kGrowth - 1) / kGrowth * kGrowth;
    if (::ftruncate(file_.get(), static_cast<off_t>(wanted)) != 0) no_memory();
    size_ = wanted;
  }
  used_ = place + bytes;
  return place;
}

void copy_contiguous(const DLTensor& from, std::byte* to) {
  if (from.device.device_type != kDLCPU)
    throw Error(Status::NotSupported,
                "a tensor on another device; a child process takes tensors in main memory");
  const auto* data = static_cast<const std::byte*>(from.data) + from.byte_offset;
  const uint64_t bytes = tensor_bytes(from.dtype, shape_of(from));
  if (bytes == 0) return;
  if (is_contiguous(from)) {
    std::memcpy(to, data, bytes);
    return;
  }
  const auto element = static_cast<size_t>(from.dtype.bits) * from.dtype.lanes / 8;
  std::vector<int64_t> index(static_cast<size_t>(from.ndim));
  for (uint64_t done = 0; done < bytes; done += element) {
    int64_t place = 0;
    for (size_t i = 0; i < index.size(); ++i) place += index[i] * from.strides[i];
    std::memcpy(to + done, data + place * static_cast<int64_t>(element), element);
    for (size_t i = index.size(); i-- > 0 && ++index[i] == from.shape[i];) index[i] = 0;
  }
}

}  // namespace gesso::isolation
