#include "engine/weights/dtype.hpp"

#include <array>

namespace gesso::weights {
namespace {

struct Format {
  DType dtype;
  std::string_view name;
  int64_t elements;
  int64_t bytes;
};

// Block sizes: ggml/src/ggml-common.h.
constexpr std::array kFormats = {
    Format{DType::F64, "F64", 1, 8},         Format{DType::F32, "F32", 1, 4},
    Format{DType::F16, "F16", 1, 2},         Format{DType::BF16, "BF16", 1, 2},
    Format{DType::F8_E4M3, "F8_E4M3", 1, 1}, Format{DType::F8_E5M2, "F8_E5M2", 1, 1},
    Format{DType::F8_E8M0, "F8_E8M0", 1, 1}, Format{DType::C64, "C64", 1, 8},
    Format{DType::I64, "I64", 1, 8},         Format{DType::I32, "I32", 1, 4},
    Format{DType::I16, "I16", 1, 2},         Format{DType::I8, "I8", 1, 1},
    Format{DType::U64, "U64", 1, 8},         Format{DType::U32, "U32", 1, 4},
    Format{DType::U16, "U16", 1, 2},         Format{DType::U8, "U8", 1, 1},
    Format{DType::Bool, "BOOL", 1, 1},       Format{DType::Q4_0, "Q4_0", 32, 18},
    Format{DType::Q4_1, "Q4_1", 32, 20},     Format{DType::Q5_0, "Q5_0", 32, 22},
    Format{DType::Q5_1, "Q5_1", 32, 24},     Format{DType::Q8_0, "Q8_0", 32, 34},
    Format{DType::Q2_K, "Q2_K", 256, 84},    Format{DType::Q3_K, "Q3_K", 256, 110},
    Format{DType::Q4_K, "Q4_K", 256, 144},   Format{DType::Q5_K, "Q5_K", 256, 176},
    Format{DType::Q6_K, "Q6_K", 256, 210},
};

constexpr bool in_enum_order() {
  for (size_t i = 0; i < kFormats.size(); ++i) {
    if (static_cast<size_t>(kFormats[i].dtype) != i) return false;
  }
  return true;
}
static_assert(in_enum_order(), "the table is indexed by DType");

const Format& format_of(DType dtype) { return kFormats[static_cast<size_t>(dtype)]; }

}  // namespace

std::string_view name_of(DType dtype) { return format_of(dtype).name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Format& format : kFormats) {
    if (format.name == name) return format.dtype;
  }
  return std::nullopt;
}

int64_t block_elements(DType dtype) { return format_of(dtype).elements; }
int64_t block_bytes(DType dtype) { return format_of(dtype).bytes; }

std::optional<int64_t> element_count(std::span<const int64_t> shape) {
  int64_t count = 1;
  bool overflow = false, empty = false;
  for (const int64_t extent : shape) {
    if (extent < 0) return std::nullopt;
    empty = empty || extent == 0;
    overflow = overflow || __builtin_mul_overflow(count, extent, &count);
  }
  if (empty) return 0;
  if (overflow) return std::nullopt;
  return count;
}

std::optional<int64_t> byte_size(DType dtype, std::span<const int64_t> shape) {
  const auto count = element_count(shape);
  if (!count) return std::nullopt;
  const int64_t row = shape.empty() ? 1 : shape.back();
  if (row % block_elements(dtype) != 0) return std::nullopt;
  int64_t bytes = 0;
  if (__builtin_mul_overflow(*count / block_elements(dtype), block_bytes(dtype), &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

}  // namespace gesso::weights
