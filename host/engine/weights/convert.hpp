// From the element type of a file to the one that a computation wants.
#pragma once

#include "engine/weights/memory.hpp"
#include "engine/weights/tensor_view.hpp"

namespace gesso::weights {

/// `view` in another type: plain types rounded to nearest even, block formats dequantised as ggml
/// does. When the type is already `target`, the view itself is returned (no copy, no alignment).
/// Large tensors use up to `threads` threads; 0: as many as the machine has.
/// @param target  F32, BF16, F16, F8_E4M3 or F8_E5M2 (fp8 overflows to NaN or Inf, it never
/// saturates)
/// @throws Error  NotSupported for another target or for C64
TensorView materialize(const TensorView& view, DType target, unsigned threads = 0);

/// The same into memory of the caller, `byte_size(target, view.shape)` bytes; equal types are
/// copied.
void convert_into(const TensorView& view, DType target, std::span<std::byte> out,
                  unsigned threads = 0);

/// F64, F32, F16 or BF16: numbers as they are.
bool is_float(DType dtype);

/// `view` as float32 at an address that floats can be read from.
TensorView float_values(const TensorView& view, unsigned threads = 0);

/// @throws Error  NotSupported when `source` cannot be converted to `target`
void require_convertible(DType source, DType target);

}  // namespace gesso::weights
