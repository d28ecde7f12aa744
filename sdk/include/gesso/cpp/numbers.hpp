// The numbers of tensors in any layout and type, and the names of their types.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "tensor.hpp"

namespace gesso {

/// "f32", "bf16", "i64": as ports write them.
inline std::string type_text(DLDataType type) {
  const std::string bits = std::to_string(type.bits);
  switch (type.code) {
    case kDLInt:
      return "i" + bits;
    case kDLUInt:
      return "u" + bits;
    case kDLFloat:
      return "f" + bits;
    case kDLBfloat:
      return "bf" + bits;
    default:
      return "DLPack type " + std::to_string(type.code);
  }
}

/// The number at `at`, of one of the types below, as T.
template <class T>
T read_number(const char* at, DLDataType type) {
  const auto read = [at](auto number) {
    std::memcpy(&number, at, sizeof number);
    return number;
  };
  if (same_type(type, kF32)) return static_cast<T>(read(float{}));
  if (same_type(type, kBF16)) {  // the upper half of a float32
    const uint32_t bits = uint32_t{read(uint16_t{})} << 16;
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return static_cast<T>(number);
  }
  if (same_type(type, kI64)) return static_cast<T>(read(int64_t{}));
  if (same_type(type, kI32)) return static_cast<T>(read(int32_t{}));
  if (same_type(type, kU8)) return static_cast<T>(read(uint8_t{}));
  throw Error(Status::NotSupported,
              "expected f32, bf16, i64, i32 or u8 numbers, found " + type_text(type));
}

/// The numbers of a CPU tensor in whatever layout and type it is, row by row.
/// @throws Error Incompatible for another device, NotSupported for another type than those above
template <class T>
std::vector<T> numbers(const DLTensor& t) {
  if (t.device.device_type != kDLCPU) {
    throw Error(Status::Incompatible, "expected a tensor on the CPU");
  }
  const char* start = static_cast<const char*>(t.data) + t.byte_offset;
  std::vector<T> found(static_cast<size_t>(count_of(t)));
  for (size_t n = 0; n < found.size(); ++n) {
    int64_t place = 0, rest = static_cast<int64_t>(n), stride = 1;
    for (int32_t i = t.ndim; i-- > 0;) {
      place += rest % t.shape[i] * (t.strides ? t.strides[i] : stride);
      rest /= t.shape[i];
      stride *= t.shape[i];
    }
    found[n] = read_number<T>(start + place * (t.dtype.bits / 8), t.dtype);
  }
  return found;
}

}  // namespace gesso
