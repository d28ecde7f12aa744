#include "engine/weights/chunk_codec.hpp"

#include "engine/weights/clones.hpp"
#include "engine/weights/dequantise.hpp"
#include "engine/weights/float_codec.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace gesso::weights {
namespace {

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

GESSO_CLONES void decode_int8(const std::byte* in, int64_t count, float* out) {
  const auto* codes = reinterpret_cast<const int8_t*>(in);
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(codes[i]);
}

/// All 256 values of a type of 8 bits: looking up is faster than the cases of the functions.
constexpr std::array<float, 256> table_of(float (*value)(uint8_t)) {
  std::array<float, 256> table{};
  for (size_t code = 0; code < table.size(); ++code)
    table[code] = value(static_cast<uint8_t>(code));
  return table;
}
constexpr std::array<float, 256> kE4m3 = table_of(from_e4m3), kE5m2 = table_of(from_e5m2);

}  // namespace

void decode_chunk(DType dtype, const std::byte* in, int64_t count, float* out) {
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
      return decode_each<uint8_t>(in, count, out, [](uint8_t code) { return kE4m3[code]; });
    case DType::F8_E5M2:
      return decode_each<uint8_t>(in, count, out, [](uint8_t code) { return kE5m2[code]; });
    case DType::F8_E8M0:
      return decode_each<uint8_t>(in, count, out, from_e8m0);
    case DType::I64:
      return decode_numbers<int64_t>(in, count, out);
    case DType::I32:
      return decode_numbers<int32_t>(in, count, out);
    case DType::I16:
      return decode_numbers<int16_t>(in, count, out);
    case DType::I8:
      return decode_int8(in, count, out);
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

namespace {

template <class T, class Function>
void encode_each(const float* in, int64_t count, std::byte* out, Function from_float) {
  for (int64_t i = 0; i < count; ++i) {
    const T code = from_float(in[i]);
    std::memcpy(out + i * static_cast<int64_t>(sizeof code), &code, sizeof code);
  }
}

/// `to_bf16` without a branch: what all weights end as.
GESSO_CLONES void encode_bf16(const float* in, int64_t count, std::byte* out) {
  for (int64_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<uint32_t>(in[i]);
    const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    const bool nan = (bits & 0x7FFFFFFF) > 0x7F800000;
    const auto code = static_cast<uint16_t>(nan ? 0x7FC0 : rounded);
    std::memcpy(out + i * static_cast<int64_t>(sizeof code), &code, sizeof code);
  }
}

}  // namespace

void encode_chunk(DType dtype, const float* in, int64_t count, std::byte* out) {
  switch (dtype) {
    case DType::F16:
      return encode_each<uint16_t>(in, count, out, to_f16);
    case DType::BF16:
      return encode_bf16(in, count, out);
    case DType::F8_E4M3:
      return encode_each<uint8_t>(in, count, out, to_e4m3);
    case DType::F8_E5M2:
      return encode_each<uint8_t>(in, count, out, to_e5m2);
    default:
      std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
  }
}

}  // namespace gesso::weights
