// Owning and reading tensors that cross the boundary, without libtorch.
#pragma once

#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../tensor.h"
#include "error.hpp"

namespace gesso {

inline constexpr DLDataType kF32{kDLFloat, 32, 1};
inline constexpr DLDataType kBF16{kDLBfloat, 16, 1};
inline constexpr DLDataType kI64{kDLInt, 64, 1};
inline constexpr DLDataType kI32{kDLInt, 32, 1};
inline constexpr DLDataType kU8{kDLUInt, 8, 1};

inline bool same_type(DLDataType a, DLDataType b) {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

/// Owns a tensor; calls its deleter once.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(gesso_tensor_t* tensor) : tensor_(tensor) {}
  Tensor(Tensor&& other) noexcept : tensor_(std::exchange(other.tensor_, nullptr)) {}
  Tensor& operator=(Tensor&& other) noexcept {
    std::swap(tensor_, other.tensor_);
    return *this;
  }
  ~Tensor() {
    if (tensor_ && tensor_->deleter) tensor_->deleter(tensor_);
  }

  explicit operator bool() const { return tensor_ != nullptr; }
  gesso_tensor_t* get() const { return tensor_; }
  gesso_tensor_t* release() { return std::exchange(tensor_, nullptr); }
  const DLTensor& dl() const { return tensor_->dl_tensor; }

  /// A fresh, contiguous, uninitialised CPU tensor. Aligned to 64 bytes.
  static Tensor empty(DLDataType dtype, std::span<const int64_t> shape);

 private:
  gesso_tensor_t* tensor_ = nullptr;
};

inline std::span<const int64_t> shape_of(const DLTensor& t) {
  return {t.shape, static_cast<size_t>(t.ndim)};
}

inline int64_t count_of(const DLTensor& t) {
  int64_t n = 1;
  for (const int64_t extent : shape_of(t)) n *= extent;
  return n;
}

inline std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

inline bool is_contiguous(const DLTensor& t) {
  int64_t stride = 1;
  for (int32_t i = t.ndim - 1; i >= 0; --i) {
    if (t.shape[i] != 1 && t.strides && t.strides[i] != stride) return false;
    stride *= t.shape[i];
  }
  return true;
}

/// The elements of a contiguous CPU tensor of type T.
/// @throws Error Incompatible for strides, another device or another element size
template <class T>
std::span<T> elements(const DLTensor& t) {
  if (t.device.device_type != kDLCPU || !is_contiguous(t) || t.dtype.bits != 8 * sizeof(T)) {
    throw Error(Status::Incompatible, "a tensor of shape " + shape_text(shape_of(t)) +
                                          " is not contiguous on the CPU with " +
                                          std::to_string(8 * sizeof(T)) + " bits per element");
  }
  return {reinterpret_cast<T*>(static_cast<char*>(t.data) + t.byte_offset),
          static_cast<size_t>(count_of(t))};
}

inline Tensor Tensor::empty(DLDataType dtype, std::span<const int64_t> shape) {
  struct Block {
    gesso_tensor_t tensor{};
    std::vector<int64_t> shape, strides;
    void* memory = nullptr;
    ~Block() { std::free(memory); }
  };
  auto block = std::make_unique<Block>();
  block->shape.assign(shape.begin(), shape.end());
  block->strides.resize(shape.size());
  int64_t count = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    block->strides[i] = count;
    count *= shape[i];
  }
  const size_t bytes = (static_cast<size_t>(count) * dtype.bits * dtype.lanes + 7) / 8;
  block->memory = std::aligned_alloc(64, (bytes + 64) / 64 * 64);
  if (!block->memory) throw std::bad_alloc();
  gesso_tensor_t& t = block->tensor;
  t.version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION};
  t.manager_ctx = block.get();
  t.deleter = [](gesso_tensor_t* self) { delete static_cast<Block*>(self->manager_ctx); };
  t.dl_tensor = {block->memory,
                 {kDLCPU, 0},
                 static_cast<int32_t>(shape.size()),
                 dtype,
                 block->shape.data(),
                 block->strides.data(),
                 0};
  return Tensor(&block.release()->tensor);
}

}  // namespace gesso
