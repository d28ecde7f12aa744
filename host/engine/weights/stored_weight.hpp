// A weight as it is stored: one tensor, or several that make one.
#pragma once

#include "engine/weights/storage_format.hpp"
#include "engine/weights/tensor_view.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gesso::weights {

/// | Encoding | parts | value of element i (row r, block b = i / block) |
/// |---|---|---|
/// | Plain  | data | data[i] |
/// | Scaled | data [rows, columns], scale F32 of 1 or `rows` elements | data[i] * scale[r]; then
///   each `rotation` columns are turned back by a Hadamard matrix |
/// | Table4 | codes U8, table F32 [16], absmax F32 | table[code[i]] * absmax[b] |
/// | Table4 | codes, table, absmax U8, nested absmax F32, nested table F32 [256] | absmax[b] is
///   nested_table[absmax[b]] * nested_absmax[b / nested_block] + nested_offset |
struct StoredWeight {
  Encoding encoding = Encoding::Plain;
  Shape shape;  ///< of the weight, whatever its parts look like
  std::vector<TensorView> parts;

  int64_t rotation = 0;  ///< Scaled: columns that were rotated together; 0: none
  bool nf4 = true;       ///< Table4: for its name only; the table is a part
  int64_t first = 0;     ///< Table4: place of element 0 in the codes, in a part of a fused weight
  int64_t block = kTableBlock, nested_block = kTableNestedBlock;
  float nested_offset = 0;

  StoredWeight() = default;
  explicit StoredWeight(TensorView plain);

  const TensorView& data() const { return parts.front(); }
  int64_t elements() const { return element_count(shape).value_or(0); }
  uint64_t size_bytes() const;  ///< of all parts
  /// "bf16", "nf4", "gguf.q8_0"; lower-case type name ("i64") for what is no storage format.
  std::string format() const;
  /// Whether `view` in `parts[0]` can be used as it is for a computation in `dtype`.
  bool is_plain(DType dtype) const { return encoding == Encoding::Plain && data().dtype == dtype; }
};

/// Part `index` of `parts` equal parts along the first extent, without a copy.
/// @throws Error  InvalidArgument when the first extent is no multiple of `parts`
StoredWeight slice_rows(const StoredWeight& weight, int64_t index, int64_t parts);

/// The weight in a plain type, computed in float32 and rounded once. A plain weight of that type is
/// returned as it is. Large ones use up to `threads` threads; 0: as many as the machine has.
/// @param target  F32, BF16, F16, F8_E4M3 or F8_E5M2
/// @throws Error  NotSupported for another target or a type that is no number
TensorView decode(const StoredWeight& weight, DType target, unsigned threads = 0);
/// The same into memory of the caller, `byte_size(target, weight.shape)` bytes.
void decode_into(const StoredWeight& weight, DType target, std::span<std::byte> out,
                 unsigned threads = 0);

/// A weight in a storage format, in new memory.
/// @throws Error  InvalidArgument naming the shape when it cannot be stored so
StoredWeight encode(const TensorView& weight, StorageFormat format, unsigned threads = 0);

/// What bitsandbytes can choose.
struct Table4Options {
  bool nf4 = true;  ///< else fp4
  int64_t block = kTableBlock;
  bool nested = true;  ///< magnitudes quantised again ("double quantisation")
};
/// @throws Error  InvalidArgument for a block that is no positive, even number
StoredWeight encode_table4(const TensorView& weight, const Table4Options& options,
                           unsigned threads = 0);

}  // namespace gesso::weights
