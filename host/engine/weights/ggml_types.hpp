// The numbers that GGUF files have for element types. (ggml/include/ggml.h, enum ggml_type)
#pragma once

#include "engine/weights/dtype.hpp"

#include <optional>
#include <utility>

namespace gesso::weights {

inline constexpr std::pair<uint32_t, DType> kGgmlTypes[] = {
    {0, DType::F32},   {1, DType::F16},   {2, DType::Q4_0},  {3, DType::Q4_1},  {6, DType::Q5_0},
    {7, DType::Q5_1},  {8, DType::Q8_0},  {10, DType::Q2_K}, {11, DType::Q3_K}, {12, DType::Q4_K},
    {13, DType::Q5_K}, {14, DType::Q6_K}, {24, DType::I8},   {25, DType::I16},  {26, DType::I32},
    {27, DType::I64},  {28, DType::F64},  {30, DType::BF16},
};

inline std::optional<DType> dtype_of_ggml(uint32_t type) {
  for (const auto& [number, dtype] : kGgmlTypes) {
    if (number == type) return dtype;
  }
  return std::nullopt;
}

inline std::optional<uint32_t> ggml_type(DType dtype) {
  for (const auto& [number, type] : kGgmlTypes) {
    if (type == dtype) return number;
  }
  return std::nullopt;
}

}  // namespace gesso::weights
