// The bridge to libtorch: the only public header that knows it.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <optional>
#include <vector>

#include "module.hpp"

// As in ATen/DLConvertor.h, which would bring all of ATen along.
namespace at {
TORCH_API ScalarType toScalarType(const DLDataType& dtype);
TORCH_API DLManagedTensorVersioned* toDLPackVersioned(const Tensor& src);
}  // namespace at

namespace gesso::torch {

inline at::ScalarType scalar_type(DLDataType type) {
  if (same_type(type, kF32)) return at::kFloat;
  if (same_type(type, kBF16)) return at::kBFloat16;
  if (same_type(type, kI64)) return at::kLong;
  if (same_type(type, kI32)) return at::kInt;
  if (same_type(type, kU8)) return at::kByte;
  return at::toScalarType(type);
}

/// A tensor over memory that somebody else keeps alive. Read-only memory must not be written.
inline at::Tensor borrow(const DLTensor& t) {
  const auto shape = shape_of(t);
  void* data = static_cast<char*>(t.data) + t.byte_offset;
  const auto options = at::TensorOptions().dtype(scalar_type(t.dtype));
  if (!t.strides) return at::from_blob(data, {shape.data(), shape.size()}, options);
  return at::from_blob(data, {shape.data(), shape.size()}, {t.strides, shape.size()}, options);
}
inline at::Tensor borrow(const gesso_tensor_t* t) { return borrow(t->dl_tensor); }

/// Takes a tensor over; it is released with the last at::Tensor that shares its memory.
inline at::Tensor adopt(Tensor tensor) {
  auto shared = std::make_shared<Tensor>(std::move(tensor));
  const DLTensor& t = shared->dl();
  const auto shape = shape_of(t);
  void* data = static_cast<char*>(t.data) + t.byte_offset;
  const auto options = at::TensorOptions().dtype(scalar_type(t.dtype));
  auto release = [shared](void*) mutable { shared.reset(); };
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = t.strides ? t.strides[i] : stride;
    stride *= shape[i];
  }
  return at::from_blob(data, {shape.data(), shape.size()}, strides, release, options);
}

/// Gives a tensor away, with nothing of autograd left on it.
inline Tensor give(const at::Tensor& tensor) {
  return Tensor(at::toDLPackVersioned(tensor.detach()));
}

/// All tensors of a port, borrowed.
inline std::vector<at::Tensor> list(const Inputs& inputs, std::string_view port) {
  std::vector<at::Tensor> tensors;
  for (const gesso_tensor_t* t : inputs.list(port)) tensors.push_back(borrow(t));
  return tensors;
}

/// The numbers of a weight, or its codes; undefined when an optional weight is absent.
inline at::Tensor weight(const gesso_weight_view_t& view) {
  return view.n_parts ? borrow(view.parts[0]) : at::Tensor();
}

/// The same for who knows no codes.
/// @throws Error  NotSupported for another encoding than "plain"
inline at::Tensor plain_weight(const gesso_weight_view_t& view) {
  if (view.encoding != std::string_view(GESSO_ENCODING_PLAIN)) {
    throw Error(Status::NotSupported,
                std::string("expected weights in plain numbers, found them as ") + view.encoding +
                    ", which has no gradients; store them as int8_row without int8 products");
  }
  return weight(view);
}

}  // namespace gesso::torch
