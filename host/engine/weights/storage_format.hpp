// The formats that a weight can be stored in, by the names that users, policies and plugins write.
#pragma once

#include "engine/weights/dtype.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gesso::weights {

/// How a weight is laid down in its parts (stored_weight.hpp).
enum class Encoding : uint8_t {
  Plain,   ///< one tensor of any element type, the blocks of GGUF among them
  Scaled,  ///< fp8 or int8 numbers, and a scale for all or for each row
  Table4,  ///< codes of 4 bits into a table of 16 numbers, and a scale for each block
           ///< (bitsandbytes)
};

/// What a weight can be encoded to. The order is that of the table in storage_format.cpp.
enum class StorageFormat : uint8_t {
  F32,
  BF16,
  F16,
  Fp8E4M3,
  Fp8E5M2,
  Fp8Scaled,  ///< fp8_e4m3 numbers, one float32 scale
  Int8Row,    ///< int8 numbers, a float32 scale for each row
  Nf4,
  Fp4,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q8_0,
  Q4_K,
  Q6_K,
};

/// The name in TOML, in `gesso_place.storage` and of the encoding in a view of the C ABI: "bf16",
/// "fp8_e4m3", "fp8_scaled", "int8_row", "nf4", "gguf.q8_0".
std::string_view name_of(StorageFormat format);
Encoding encoding_of(StorageFormat format);
/// Element type of the data.
DType dtype_of(StorageFormat format);

/// Whether it has fewer bits than bf16.
bool is_narrow(StorageFormat format);

/// Also takes other projects' names: "float8_e4m3fn", "int8", "bitsandbytes_nf4", "q8_0".
std::optional<StorageFormat> find_storage_format(std::string_view name);
/// Whether the name asks for products of int8 numbers: "int8_w8a8", "torchao_int8_w8a8" ...
bool computes_in_int8(std::string_view name);
/// @throws Error  InvalidArgument listing the names; NotSupported with the reason for a known
/// format of another project that there is nothing equal to
StorageFormat storage_format(std::string_view name);
/// "f32, bf16, f16, fp8_e4m3, ...".
std::string storage_format_names();

/// Bytes of a weight with all its parts; nothing when the shape cannot be stored so, such as rows
/// that are no whole number of blocks.
std::optional<int64_t> stored_bytes(StorageFormat format, std::span<const int64_t> shape);

/// Elements that share a scale in Table4, and scales that share one of the second level.
inline constexpr int64_t kTableBlock = 64, kTableNestedBlock = 256;

}  // namespace gesso::weights
