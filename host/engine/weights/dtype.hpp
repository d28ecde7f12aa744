// Element types of weight files: plain numbers, and the block formats of GGUF.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace gesso::weights {

enum class DType : uint8_t {
  F64,
  F32,
  F16,
  BF16,
  F8_E4M3,
  F8_E5M2,
  F8_E8M0,
  C64,
  I64,
  I32,
  I16,
  I8,
  U64,
  U32,
  U16,
  U8,
  Bool,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q8_0,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
};

/// Name as in a safetensors header or in ggml: "F32", "BF16", "F8_E4M3", "BOOL", "Q8_0".
std::string_view name_of(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

/// A plain type is a block of one element; Q8_0 is a block of 32 elements in 34 bytes.
int64_t block_elements(DType dtype);
int64_t block_bytes(DType dtype);
inline bool is_quantised(DType dtype) { return block_elements(dtype) > 1; }

/// Product of the extents; nothing when an extent is negative or the product exceeds 63 bits.
std::optional<int64_t> element_count(std::span<const int64_t> shape);

/// Bytes of a row-major tensor; nothing when `element_count` has no answer, the size exceeds 63
/// bits or a row of a block format is no whole number of blocks.
std::optional<int64_t> byte_size(DType dtype, std::span<const int64_t> shape);

}  // namespace gesso::weights
