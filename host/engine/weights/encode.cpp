// From numbers to a storage format.
#include "engine/weights/chunk_codec.hpp"
#include "engine/weights/convert.hpp"
#include "engine/weights/float_codec.hpp"
#include "engine/weights/memory.hpp"
#include "engine/weights/parallel.hpp"
#include "engine/weights/quantise.hpp"
#include "engine/weights/stored_weight.hpp"
#include "engine/weights/table4.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace gesso::weights {
namespace {

constexpr int64_t kPerThread = 1 << 17;  // elements that make another thread worth starting
constexpr float kLargestFp8 = 448.0f, kLargestInt8 = 127.0f;

std::span<const float> floats_of(const TensorView& view) {
  return {reinterpret_cast<const float*>(view.bytes.data()), static_cast<size_t>(view.elements())};
}

TensorView new_tensor(DType dtype, Shape shape) {
  const Memory memory = allocate(static_cast<size_t>(byte_size(dtype, shape).value_or(0)));
  return {dtype, std::move(shape), memory.bytes, memory.owner};
}

/// Memory of a tensor that was made here.
template <class T>
T* writable(const TensorView& view) {
  return reinterpret_cast<T*>(const_cast<std::byte*>(view.bytes.data()));
}

template <class T>
TensorView copy_of(std::span<const T> values, DType dtype) {
  TensorView view = new_tensor(dtype, {static_cast<int64_t>(values.size())});
  if (!values.empty()) std::memcpy(writable<T>(view), values.data(), values.size_bytes());
  return view;
}

float largest_magnitude(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

/// A scale for each row of int8, or one for all numbers of fp8.
StoredWeight encode_scaled(const TensorView& weight, StorageFormat format, unsigned threads) {
  const bool int8 = format == StorageFormat::Int8Row;
  const int64_t rows = int8 ? weight.shape[0] : 1;
  const int64_t columns = rows > 0 ? weight.elements() / rows : 0;
  StoredWeight stored;
  stored.encoding = Encoding::Scaled;
  stored.shape = weight.shape;
  stored.parts = {new_tensor(dtype_of(format), weight.shape), new_tensor(DType::F32, {rows})};
  const auto values = floats_of(weight);
  auto* codes = writable<uint8_t>(stored.parts[0]);
  auto* scales = writable<float>(stored.parts[1]);
  const int64_t rows_per_thread = kPerThread / std::max<int64_t>(columns, 1) + 1;
  in_parallel(rows, 1, rows_per_thread, threads, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto from =
          values.subspan(static_cast<size_t>(row * columns), static_cast<size_t>(columns));
      const float largest = largest_magnitude(from);
      const float scale = largest > 0 ? largest / (int8 ? kLargestInt8 : kLargestFp8) : 1.0f;
      scales[row] = scale;
      uint8_t* to = codes + row * columns;
      for (size_t i = 0; i < from.size(); ++i) {
        const float value = from[i] / scale;
        to[i] = int8 ? static_cast<uint8_t>(static_cast<int8_t>(std::nearbyint(value)))
                     : to_e4m3(value);
      }
    }
  });
  return stored;
}

StoredWeight encode_codes(const TensorView& weight, const Table4Options& options,
                          unsigned threads) {
  StoredWeight stored;
  stored.encoding = Encoding::Table4;
  stored.nf4 = options.nf4;
  stored.shape = weight.shape;
  stored.block = options.block;
  const Table16& table = stored.nf4 ? kNf4Table : kFp4Table;
  const int64_t count = weight.elements();
  const auto values = floats_of(weight);
  const TensorView codes = new_tensor(DType::U8, {(count + 1) / 2});
  std::vector<float> magnitudes(static_cast<size_t>((count + options.block - 1) / options.block));
  in_parallel(count, options.block, kPerThread, threads, [&](int64_t begin, int64_t end) {
    quantise_table4(table,
                    values.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
                    options.block, writable<std::byte>(codes) + begin / 2,
                    magnitudes.data() + begin / options.block);
  });
  stored.parts = {codes, copy_of<float>(table, DType::F32)};
  if (!options.nested) {
    stored.parts.push_back(copy_of<float>(magnitudes, DType::F32));
    return stored;
  }
  const NestedMagnitudes nested = quantise_magnitudes(magnitudes, kTableNestedBlock);
  stored.nested_offset = nested.offset;
  stored.parts.push_back(copy_of<uint8_t>(nested.codes, DType::U8));
  stored.parts.push_back(copy_of<float>(nested.magnitudes, DType::F32));
  stored.parts.push_back(copy_of<float>(dynamic_table(), DType::F32));
  return stored;
}

StoredWeight encode_blocks(const TensorView& weight, DType dtype, unsigned threads) {
  const auto values = floats_of(weight);
  TensorView blocks = new_tensor(dtype, weight.shape);
  in_parallel(
      weight.elements(), block_elements(dtype), kPerThread, threads,
      [&](int64_t begin, int64_t end) {
        quantise(dtype, values.data() + begin, (end - begin) / block_elements(dtype),
                 writable<std::byte>(blocks) + begin / block_elements(dtype) * block_bytes(dtype));
      });
  return StoredWeight(std::move(blocks));
}

}  // namespace

StoredWeight encode_table4(const TensorView& weight, const Table4Options& options,
                           unsigned threads) {
  if (options.block < 2 || options.block % 2 != 0) {
    throw Error(Status::InvalidArgument,
                fmt::format("blocks of {} elements; expected an even number", options.block));
  }
  return encode_codes(float_values(weight, threads), options, threads);
}

StoredWeight encode(const TensorView& weight, StorageFormat format, unsigned threads) {
  if (!stored_bytes(format, weight.shape)) {
    const int64_t block = block_elements(dtype_of(format));
    throw Error(
        Status::InvalidArgument,
        fmt::format("a weight of shape {} cannot be stored as {}{}", shape_text(weight.shape),
                    name_of(format),
                    block > 1 ? fmt::format(": its rows are no multiple of {}", block) : ""));
  }
  switch (encoding_of(format)) {
    case Encoding::Plain:
      break;
    case Encoding::Scaled:
      return encode_scaled(float_values(weight, threads), format, threads);
    case Encoding::Table4:
      return encode_codes(float_values(weight, threads), {format == StorageFormat::Nf4}, threads);
  }
  const DType dtype = dtype_of(format);
  if (is_quantised(dtype)) return encode_blocks(float_values(weight, threads), dtype, threads);
  return StoredWeight(materialize(weight, dtype, threads));
}

}  // namespace gesso::weights
