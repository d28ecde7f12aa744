// What this processor is good at.
#pragma once

namespace gesso::nn {

/// True when the processor multiplies bf16 matrices faster than float32 ones (AMX, and most with
/// AVX512-BF16). Elsewhere `linear` and `conv2d` compute in float32 and round once.
bool has_native_bf16();

/// True when it does so in tiles (AMX).
bool has_bf16_tiles();

/// True when the processor multiplies and adds int8 numbers itself (AVX512-VNNI, AVX-VNNI, AMX).
bool has_int8_products();

}  // namespace gesso::nn
