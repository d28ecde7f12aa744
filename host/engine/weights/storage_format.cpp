#include "engine/weights/storage_format.hpp"

#include "engine/base/suggest.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

namespace gesso::weights {
namespace {

struct Row {
  StorageFormat format;
  std::string_view name;
  Encoding encoding;
  DType dtype;
};

using F = StorageFormat;
constexpr std::array kFormats = {
    Row{F::F32, "f32", Encoding::Plain, DType::F32},
    Row{F::BF16, "bf16", Encoding::Plain, DType::BF16},
    Row{F::F16, "f16", Encoding::Plain, DType::F16},
    Row{F::Fp8E4M3, "fp8_e4m3", Encoding::Plain, DType::F8_E4M3},
    Row{F::Fp8E5M2, "fp8_e5m2", Encoding::Plain, DType::F8_E5M2},
    Row{F::Fp8Scaled, "fp8_scaled", Encoding::Scaled, DType::F8_E4M3},
    Row{F::Int8Row, "int8_row", Encoding::Scaled, DType::I8},
    Row{F::Nf4, "nf4", Encoding::Table4, DType::U8},
    Row{F::Fp4, "fp4", Encoding::Table4, DType::U8},
    Row{F::Q4_0, "gguf.q4_0", Encoding::Plain, DType::Q4_0},
    Row{F::Q4_1, "gguf.q4_1", Encoding::Plain, DType::Q4_1},
    Row{F::Q5_0, "gguf.q5_0", Encoding::Plain, DType::Q5_0},
    Row{F::Q5_1, "gguf.q5_1", Encoding::Plain, DType::Q5_1},
    Row{F::Q8_0, "gguf.q8_0", Encoding::Plain, DType::Q8_0},
    Row{F::Q4_K, "gguf.q4_k", Encoding::Plain, DType::Q4_K},
    Row{F::Q6_K, "gguf.q6_k", Encoding::Plain, DType::Q6_K},
};

constexpr bool in_enum_order() {
  for (size_t i = 0; i < kFormats.size(); ++i) {
    if (static_cast<size_t>(kFormats[i].format) != i) return false;
  }
  return true;
}
static_assert(in_enum_order(), "the table is indexed by StorageFormat");

const Row& row_of(StorageFormat format) { return kFormats[static_cast<size_t>(format)]; }

// Names of torch, of DiffSynth's QuantizeConfig and of llama.cpp.
constexpr std::pair<std::string_view, StorageFormat> kAliases[] = {
    {"float32", F::F32},
    {"fp32", F::F32},
    {"bfloat16", F::BF16},
    {"float16", F::F16},
    {"fp16", F::F16},
    {"fp8", F::Fp8E4M3},
    {"float8_e4m3fn", F::Fp8E4M3},
    {"float8_e5m2", F::Fp8E5M2},
    {"comfy_kitchen_fp8_w8a8", F::Fp8Scaled},
    {"int8", F::Int8Row},
    {"torchao_int8_w8a16", F::Int8Row},
    {"int8_w8a8", F::Int8Row},
    {"torchao_int8_w8a8", F::Int8Row},
    {"comfy_kitchen_int8_w8a8", F::Int8Row},
    {"bitsandbytes_nf4", F::Nf4},
    {"bitsandbytes_fp4", F::Fp4},
    {"q4_0", F::Q4_0},
    {"q4_1", F::Q4_1},
    {"q5_0", F::Q5_0},
    {"q5_1", F::Q5_1},
    {"q8_0", F::Q8_0},
    {"q4_k", F::Q4_K},
    {"q6_k", F::Q6_K},
};

// Formats of other projects without an equal here, and what comes nearest.
constexpr std::pair<std::string_view, std::string_view> kForeign[] = {
    {"torchao_fp8_w8a16", "it has a scale for each row; \"fp8_scaled\" has one for the tensor"},
    {"torchao_fp8_w8a8", "it has a scale for each row; \"fp8_scaled\" has one for the tensor"},
    {"torchao_int4_w4a16", "its layout is made for GPU kernels; \"nf4\" has as many bits"},
    {"torchao_int4_w4a8", "its layout is made for GPU kernels; \"nf4\" has as many bits"},
    {"torchao_nvfp4_w4a16", "it needs an NVIDIA GPU of the Blackwell family; \"nf4\" does not"},
    {"torchao_nvfp4_w4a4", "it needs an NVIDIA GPU of the Blackwell family; \"nf4\" does not"},
    {"torchao_mxfp8_w8a8", "it needs a GPU with MX formats; \"fp8_scaled\" has as many bits"},
    {"torchao_mxfp4_w4a4", "it needs a GPU with MX formats; \"nf4\" has as many bits"},
};

}  // namespace

std::string_view name_of(StorageFormat format) { return row_of(format).name; }
Encoding encoding_of(StorageFormat format) { return row_of(format).encoding; }
DType dtype_of(StorageFormat format) { return row_of(format).dtype; }

bool is_narrow(StorageFormat format) {
  return format != F::F32 && format != F::BF16 && format != F::F16;
}

std::optional<StorageFormat> find_storage_format(std::string_view name) {
  for (const Row& row : kFormats) {
    if (row.name == name) return row.format;
  }
  for (const auto& [alias, format] : kAliases) {
    if (alias == name) return format;
  }
  return std::nullopt;
}

bool computes_in_int8(std::string_view name) {
  return find_storage_format(name) == F::Int8Row && name.ends_with("_w8a8");
}

StorageFormat storage_format(std::string_view name) {
  if (const auto format = find_storage_format(name)) return *format;
  for (const auto& [foreign, reason] : kForeign) {
    if (foreign == name) {
      throw Error(Status::NotSupported,
                  fmt::format("weights cannot be stored as \"{}\": {}", name, reason));
    }
  }
  std::vector<std::string> names;
  for (const Row& row : kFormats) names.emplace_back(row.name);
  throw Error(Status::InvalidArgument,
              fmt::format("there is no storage format \"{}\"{}; there are {}", name,
                          base::did_you_mean(std::string(name), names), storage_format_names()));
}

std::string storage_format_names() {
  std::string names;
  for (const Row& row : kFormats) names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  return names;
}

std::optional<int64_t> stored_bytes(StorageFormat format, std::span<const int64_t> shape) {
  const auto count = element_count(shape);
  if (!count) return std::nullopt;
  const int64_t scale = sizeof(float);
  switch (encoding_of(format)) {
    case Encoding::Plain:
      return byte_size(dtype_of(format), shape);
    case Encoding::Scaled:
      if (shape.empty()) return std::nullopt;
      return *count + (format == StorageFormat::Int8Row ? shape[0] : 1) * scale;
    case Encoding::Table4:
      break;
  }
  const int64_t blocks = (*count + kTableBlock - 1) / kTableBlock;
  const int64_t nested = (blocks + kTableNestedBlock - 1) / kTableNestedBlock;
  return (*count + 1) / 2 + blocks + (16 + 256 + nested) * scale;
}

}  // namespace gesso::weights
