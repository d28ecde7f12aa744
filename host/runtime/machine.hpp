// What this machine computes with, and how fast its matrix product is.
#pragma once

#include <nlohmann/json.hpp>

#include "runtime/parts.hpp"
#include "runtime/runtime.hpp"

namespace gesso::runtime {

/// libtorch's version, CPU capability, threads, whether bf16 is native.
nlohmann::json machine_json();

/// GEMM rate in GFLOP/s at the sizes of a full-size block: "gemm_f32", "gemm_bf16" (the better of
/// the native product and one in float32 with the weights widened first).
nlohmann::json measure_gemm(const Watch& watch);

/// Bytes per second that the weights of a pipeline are read with, as warm as they are; 0: there
/// are none.
double measure_reading(const Parts& parts);

}  // namespace gesso::runtime
