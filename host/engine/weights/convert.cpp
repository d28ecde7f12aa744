#include "engine/weights/convert.hpp"

#include "engine/weights/chunk_codec.hpp"
#include "engine/weights/memory.hpp"
#include "engine/weights/parallel.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace gesso::weights {
namespace {

constexpr int64_t kPerThread = 1 << 20;  // elements that make another thread worth starting

void convert_range(DType source, DType target, const std::byte* in, std::byte* out, int64_t begin,
                   int64_t end) {
  float values[kChunk];
  for (int64_t at = begin; at < end; at += kChunk) {
    const int64_t count = std::min(kChunk, end - at);
    decode_chunk(source, in + at / block_elements(source) * block_bytes(source), count, values);
    encode_chunk(target, values, count, out + at * block_bytes(target));
  }
}

}  // namespace

void require_convertible(DType source, DType target) {
  const bool known = target == DType::F32 || target == DType::BF16 || target == DType::F16 ||
                     target == DType::F8_E4M3 || target == DType::F8_E5M2;
  if (known && source != DType::C64) return;
  throw Error(Status::NotSupported, fmt::format("weights of type {} cannot be converted to {}",
                                                name_of(source), name_of(target)));
}

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
  in_parallel(count, kChunk, kPerThread, threads, [&](int64_t begin, int64_t end) {
    convert_range(view.dtype, target, view.bytes.data(), out.data(), begin, end);
  });
}

TensorView materialize(const TensorView& view, DType target, unsigned threads) {
  if (view.dtype == target) return view;
  require_convertible(view.dtype, target);
  const auto size = byte_size(target, view.shape);
  if (!size) {
    throw Error(Status::OutOfMemory, fmt::format("a tensor {} of type {} has no size",
                                                 shape_text(view.shape), name_of(target)));
  }
  const Memory memory = allocate(static_cast<size_t>(*size));
  convert_into(view, target, memory.bytes, threads);
  return {target, view.shape, memory.bytes, memory.owner};
}

bool is_float(DType dtype) {
  return dtype == DType::F64 || dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16;
}

TensorView float_values(const TensorView& view, unsigned threads) {
  if (view.dtype != DType::F32) return materialize(view, DType::F32, threads);
  if (reinterpret_cast<uintptr_t>(view.bytes.data()) % alignof(float) == 0) return view;
  const Memory memory = allocate(view.bytes.size());
  std::memcpy(memory.bytes.data(), view.bytes.data(), view.bytes.size());
  return {view.dtype, view.shape, memory.bytes, memory.owner};
}

}  // namespace gesso::weights
