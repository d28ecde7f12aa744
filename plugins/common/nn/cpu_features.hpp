// What this processor is good at.
#pragma once

namespace gesso::nn {

/// True when the processor multiplies bf16 matrices itself (AVX512-BF16, AMX). Elsewhere bf16
/// products are several times slower than float32 ones, so `linear` and `conv2d` compute in float32
/// and round once.
bool has_native_bf16();

/// True when it does so in tiles (AMX).
bool has_bf16_tiles();

/// True when the processor multiplies and adds int8 numbers itself (AVX512-VNNI, AVX-VNNI, AMX).
bool has_int8_products();

}  // namespace gesso::nn
