// Memory that host and child both see. Each side writes into one of them and reads the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "gesso/tensor.h"
#include "isolation/message.hpp"

namespace gesso::isolation {

/// An owned file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

/// Grows as it is needed and never shrinks: the other side cannot take pages away from under a
/// reader. Its address stays.
class SharedMemory {
 public:
  static constexpr size_t kAlignment = 64;

  /// Made by the host. @throws Error  OutOfMemory
  static SharedMemory create(const char* name);
  /// What the other side has made. @throws Error  OutOfMemory
  explicit SharedMemory(Descriptor file);
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&&) = delete;
  ~SharedMemory();

  int descriptor() const { return file_.get(); }
  /// Bytes that can be read now.
  uint64_t size() const;
  std::byte* at(uint64_t place) const { return base_ + place; }

  /// Room at the end of what was taken. @throws Error  OutOfMemory
  uint64_t take(uint64_t bytes);
  uint64_t mark() const { return used_; }
  void release(uint64_t mark) { used_ = mark; }

 private:
  Descriptor file_;
  std::byte* base_ = nullptr;
  uint64_t used_ = 0, size_ = 0;
};

/// A file in memory with these bytes, for the other side to map.
Descriptor memory_file(const char* name);

/// Copies a tensor of any strides into contiguous memory of `tensor_bytes` bytes.
/// @throws Error  NotSupported for tensors of another device
void copy_contiguous(const DLTensor& from, std::byte* to);

}  // namespace gesso::isolation
