#include "engine/weights/convert.hpp"

#include "engine/weights/dequantise.hpp"
#include "engine/weights/float_codec.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

namespace gesso::weights {
namespace {

constexpr int64_t kChunk = 4096;         // elements decoded at a time; a multiple of every block
constexpr int64_t kPerThread = 1 << 20;  // elements that make another thread worth starting

/// Elements of a plain type, each through `to_float`.
template <class T, class Function>
void decode_each(const std::byte* in, int64_t count, float* out, Function to_float) {
  for (int64_t i = 0; i < count; ++i) {
    T code;
    std::memcpy(&code, in + i * static_cast<int64_t>(sizeof code), sizeof code);
    out[i] = to_float(code);
  }
}

template <class T>
void decode_numbers(const std::byte* in, int64_t count, float* out) {
  decode_each<T>(in, count, out, [](T value) { return static_cast<float>(value); });
}

void decode(DType dtype, const std::byte* in, int64_t count, float* out) {
  switch (dtype) {
    case DType::F64:
      return decode_numbers<double>(in, count, out);
    case DType::F32:
      return decode_numbers<float>(in, count, out);
    case DType::F16:
      return decode_each<uint16_t>(in, count, out, from_f16);
    case DType::BF16:
      return decode_each<uint16_t>(in, count, out, from_bf16);
    case DType::F8_E4M3:
      return decode_each<uint8_t>(in, count, out, from_e4m3);
    case DType::F8_E5M2:
      return decode_each<uint8_t>(in, count, out, from_e5m2);
    case DType::F8_E8M0:
      return decode_each<uint8_t>(in, count, out, from_e8m0);
    case DType::I64:
      return decode_numbers<int64_t>(in, count, out);
    case DType::I32:
      return decode_numbers<int32_t>(in, count, out);
    case DType::I16:
      return decode_numbers<int16_t>(in, count, out);
    case DType::I8:
      return decode_numbers<int8_t>(in, count, out);
    case DType::U64:
      return decode_numbers<uint64_t>(in, count, out);
    case DType::U32:
      return decode_numbers<uint32_t>(in, count, out);
    case DType::U16:
      return decode_numbers<uint16_t>(in, count, out);
    case DType::U8:
      return decode_numbers<uint8_t>(in, count, out);
    case DType::Bool:
      return decode_each<uint8_t>(in, count, out, [](uint8_t v) { return v ? 1.0f : 0.0f; });
    default:
      return dequantise(dtype, in, count / block_elements(dtype), out);
  }
}

template <class T, class Function>
void encode_each(const float* in, int64_t count, std::byte* out, Function from_float) {
  for (int64_t i = 0; i < count; ++i) {
    const T code = from_float(in[i]);
    std::memcpy(out + i * static_cast<int64_t>(sizeof code), &code, sizeof code);
  }
}

void encode(DType dtype, const float* in, int64_t count, std::byte* out) {
  switch (dtype) {
    case DType::F16:
      return encode_each<uint16_t>(in, count, out, to_f16);
    case DType::BF16:
      return encode_each<uint16_t>(in, count, out, to_bf16);
    case DType::F8_E4M3:
      return encode_each<uint8_t>(in, count, out, to_e4m3);
    case DType::F8_E5M2:
      return encode_each<uint8_t>(in, count, out, to_e5m2);
    default:
      std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
  }
}

void convert_range(DType source, DType target, const std::byte* in, std::byte* out, int64_t begin,
                   int64_t end) {
  float values[kChunk];
  for (int64_t at = begin; at < end; at += kChunk) {
    const int64_t count = std::min(kChunk, end - at);
    decode(source, in + at / block_elements(source) * block_bytes(source), count, values);
    encode(target, values, count, out + at * block_bytes(target));
  }
}

void require_convertible(DType source, DType target) {
  const bool known = target == DType::F32 || target == DType::BF16 || target == DType::F16 ||
                     target == DType::F8_E4M3 || target == DType::F8_E5M2;
  if (known && source != DType::C64) return;
  throw Error(Status::NotSupported, fmt::format("weights of type {} cannot be converted to {}",
                                                name_of(source), name_of(target)));
}

/// Memory for `size` bytes, aligned for vector instructions.
std::shared_ptr<std::byte> allocate(size_t size) {
  constexpr std::align_val_t kAlign{kTensorAlignment};
  auto* data = static_cast<std::byte*>(::operator new(std::max<size_t>(size, 1), kAlign));
  return {data, [](std::byte* p) { ::operator delete(p, kAlign); }};
}

}  // namespace

void convert_into(const TensorView& view, DType target, std::span<std::byte> out,
                  unsigned threads) {
  const auto size = byte_size(target, view.shape);
  if (!size || static_cast<size_t>(*size) != out.size()) {
    throw Error(Status::InvalidArgument,
                fmt::format("a tensor {} of type {} does not have {} bytes", shape_text(view.shape),
                            name_of(target), out.size()));
  }
  if (view.dtype == target) {
    if (!out.empty()) std::memcpy(out.data(), view.bytes.data(), out.size());
    return;
  }
  require_convertible(view.dtype, target);
  const int64_t count = view.elements();
  const int64_t available = threads ? threads : std::max(1u, std::thread::hardware_concurrency());
  const int64_t workers = std::clamp<int64_t>(count / kPerThread, 1, available);
  const int64_t share = (count / workers + kChunk) / kChunk * kChunk;
  const auto work = [&](int64_t begin) {
    convert_range(view.dtype, target, view.bytes.data(), out.data(), begin,
                  std::min(begin + share, count));
  };
  std::vector<std::jthread> others;
  for (int64_t begin = share; begin < count; begin += share) others.emplace_back(work, begin);
  work(0);
}

TensorView materialize(const TensorView& view, DType target, unsigned threads) {
  if (view.dtype == target) return view;
  require_convertible(view.dtype, target);
  const auto size = byte_size(target, view.shape);
  if (!size) {
    throw Error(Status::OutOfMemory, fmt::format("a tensor {} of type {} has no size",
                                                 shape_text(view.shape), name_of(target)));
  }
  const auto memory = allocate(static_cast<size_t>(*size));
  const std::span<std::byte> bytes(memory.get(), static_cast<size_t>(*size));
  convert_into(view, target, bytes, threads);
  return {target, view.shape, bytes, memory};
}

}  // namespace gesso::weights
