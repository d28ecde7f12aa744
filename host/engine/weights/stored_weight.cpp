#include "engine/weights/stored_weight.hpp"

#include "engine/weights/chunk_codec.hpp"
#include "engine/weights/clones.hpp"
#include "engine/weights/convert.hpp"
#include "engine/weights/memory.hpp"
#include "engine/weights/parallel.hpp"
#include "engine/weights/rotation.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <vector>

namespace gesso::weights {
namespace {

constexpr int64_t kPerThread = 1 << 19;  // elements that make another thread worth starting

/// A float at any address.
float float_at(const TensorView& view, int64_t index) {
  float value;
  std::memcpy(&value, view.bytes.data() + index * static_cast<int64_t>(sizeof value), sizeof value);
  return value;
}

uint8_t byte_at(const TensorView& view, int64_t index) {
  return static_cast<uint8_t>(view.bytes[static_cast<size_t>(index)]);
}

GESSO_CLONES void multiply(float* values, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) values[i] *= factor;
}

/// Elements [begin, begin + count) of a Scaled weight; whole groups when it is rotated.
void decode_scaled(const StoredWeight& weight, int64_t begin, int64_t count, float* out) {
  const TensorView& data = weight.data();
  const TensorView& scale = weight.parts[1];
  decode_chunk(data.dtype, data.bytes.data() + begin, count, out);
  const bool for_rows = scale.elements() > 1;
  const int64_t row = for_rows ? data.elements() / scale.elements() : count;
  for (int64_t at = 0; at < count;) {
    const int64_t end = for_rows ? std::min(count, at + row - (begin + at) % row) : count;
    multiply(out + at, end - at, float_at(scale, for_rows ? (begin + at) / row : 0));
    at = end;
  }
  if (weight.rotation) rotate(out, count, weight.rotation);
}

float magnitude_of(const StoredWeight& weight, int64_t block) {
  const TensorView& magnitudes = weight.parts[2];
  if (weight.parts.size() == 3) return float_at(magnitudes, block);
  const float outer = float_at(weight.parts[3], block / weight.nested_block);
  return float_at(weight.parts[4], byte_at(magnitudes, block)) * outer + weight.nested_offset;
}

void decode_table4(const StoredWeight& weight, int64_t begin, int64_t count, float* out) {
  const auto* pairs = reinterpret_cast<const uint8_t*>(weight.data().bytes.data());
  begin += weight.first;
  const int64_t end = begin + count;
  for (int64_t at = begin; at < end;) {
    const int64_t stop = std::min(end, (at / weight.block + 1) * weight.block);
    const float magnitude = magnitude_of(weight, at / weight.block);
    float table[16];
    for (int i = 0; i < 16; ++i) table[i] = float_at(weight.parts[1], i) * magnitude;
    if (at % 2) *out++ = table[pairs[at++ / 2] & 0xF];
    for (; at + 1 < stop; at += 2, out += 2) {
      const uint8_t pair = pairs[at / 2];
      out[0] = table[pair >> 4];
      out[1] = table[pair & 0xF];
    }
    if (at < stop) *out++ = table[pairs[at++ / 2] >> 4];
  }
}

void decode_range(const StoredWeight& weight, DType target, std::byte* out, int64_t begin,
                  int64_t end) {
  float values[kChunk];
  for (int64_t at = begin; at < end; at += kChunk) {
    const int64_t count = std::min(kChunk, end - at);
    if (weight.encoding == Encoding::Scaled) decode_scaled(weight, at, count, values);
    if (weight.encoding == Encoding::Table4) decode_table4(weight, at, count, values);
    encode_chunk(target, values, count, out + at * block_bytes(target));
  }
}

/// Bytes [begin, end) of a part, as far as it has them.
void keep(TensorView& part, int64_t begin, int64_t end) {
  const int64_t width = block_bytes(part.dtype);
  end = std::min(end, static_cast<int64_t>(part.bytes.size()) / width);
  part.bytes = part.bytes.subspan(static_cast<size_t>(begin * width),
                                  static_cast<size_t>((end - begin) * width));
  part.shape = {end - begin};
}

/// Lets go of codes and magnitudes that a part of a fused weight does not need. It keeps whole
/// nested blocks, so that blocks are counted from 0 again.
void trim(StoredWeight& weight) {
  const int64_t nested = weight.parts.size() > 3 ? weight.nested_block : 1;
  const int64_t unit = nested * weight.block;
  const int64_t begin = weight.first / unit;
  const int64_t end = (weight.first + weight.elements() + unit - 1) / unit;
  if (unit % 2 != 0) return;  // codes would begin in the middle of a byte
  keep(weight.parts[0], begin * unit / 2, end * unit / 2);
  keep(weight.parts[2], begin * nested, end * nested);
  if (weight.parts.size() > 3) keep(weight.parts[3], begin, end);
  weight.first -= begin * unit;
}

}  // namespace

StoredWeight::StoredWeight(TensorView plain) : shape(plain.shape), parts{std::move(plain)} {}

uint64_t StoredWeight::size_bytes() const {
  uint64_t size = 0;
  for (const TensorView& part : parts) size += part.bytes.size();
  return size;
}

std::string StoredWeight::format() const {
  if (encoding == Encoding::Table4) return nf4 ? "nf4" : "fp4";
  if (encoding == Encoding::Scaled) return data().dtype == DType::I8 ? "int8_row" : "fp8_scaled";
  std::string name(name_of(data().dtype));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (is_quantised(data().dtype)) return "gguf." + name;
  if (name.starts_with("f8_")) return "fp" + name.substr(1);
  return name;
}

StoredWeight slice_rows(const StoredWeight& weight, int64_t index, int64_t parts) {
  if (weight.encoding == Encoding::Plain) {
    return StoredWeight(slice_rows(weight.data(), index, parts));
  }
  if (weight.shape.empty() || parts < 1 || index < 0 || index >= parts ||
      weight.shape[0] % parts != 0) {
    throw Error(Status::InvalidArgument, fmt::format("a tensor of shape {} has no part {} of {}",
                                                     shape_text(weight.shape), index, parts));
  }
  StoredWeight part = weight;
  part.shape[0] /= parts;
  if (weight.encoding == Encoding::Table4) {
    part.first += index * part.elements();
    trim(part);
    return part;
  }
  part.parts[0] = slice_rows(weight.parts[0], index, parts);
  if (weight.parts[1].elements() > 1) part.parts[1] = slice_rows(weight.parts[1], index, parts);
  return part;
}

void decode_into(const StoredWeight& weight, DType target, std::span<std::byte> out,
                 unsigned threads) {
  if (weight.encoding == Encoding::Plain) {
    return convert_into({weight.data().dtype, weight.shape, weight.data().bytes, nullptr}, target,
                        out, threads);
  }
  const auto size = byte_size(target, weight.shape);
  if (!size || static_cast<size_t>(*size) != out.size()) {
    throw Error(Status::InvalidArgument,
                fmt::format("a tensor {} of type {} does not have {} bytes",
                            shape_text(weight.shape), name_of(target), out.size()));
  }
  require_convertible(DType::F32, target);
  in_parallel(weight.elements(), kChunk, kPerThread, threads, [&](int64_t begin, int64_t end) {
    decode_range(weight, target, out.data(), begin, end);
  });
}

TensorView decode(const StoredWeight& weight, DType target, unsigned threads) {
  if (weight.is_plain(target)) {
    TensorView view = weight.data();
    view.shape = weight.shape;
    return view;
  }
  const auto size = byte_size(target, weight.shape);
  if (!size) {
    throw Error(Status::OutOfMemory, fmt::format("a tensor {} of type {} has no size",
                                                 shape_text(weight.shape), name_of(target)));
  }
  const Memory memory = allocate(static_cast<size_t>(*size));
  decode_into(weight, target, memory.bytes, threads);
  return {target, weight.shape, memory.bytes, memory.owner};
}

}  // namespace gesso::weights
