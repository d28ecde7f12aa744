#include "engine/weights/stored_file.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <memory>

#include "engine/weights/storage_rule.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::weights {
namespace {

using nlohmann::json;

// The length of the state stands in the header before its offset is known, so it is padded.
constexpr int64_t kStateBytes = 256;
// What Hugging Face and llama.cpp call tables that are looked up, not multiplied with.
constexpr std::array<std::string_view, 4> kTables = {"embed_tokens", "token_embd",
                                                     "position_embedding", "embeddings"};

int64_t blocks_of(int64_t count, int64_t block) { return (count + block - 1) / block; }

/// (bitsandbytes, QuantState.as_dict)
std::vector<TensorSpec> bitsandbytes_tensors(const std::string& name, const StoredWeight& weight) {
  const auto code_bytes = static_cast<size_t>((weight.elements() + 1) / 2);
  if (weight.first != 0 || weight.data().bytes.size() > code_bytes) {
    throw Error(
        Status::NotSupported,
        fmt::format("weight \"{}\": its {} blocks are shared with another weight of the file; "
                    "name a format to store it anew",
                    name, weight.format()));
  }
  const auto& parts = weight.parts;
  std::vector<TensorSpec> tensors = {
      {{name, {(weight.elements() + 1) / 2, 1}}, DType::U8},
      {{name + ".quant_map", {16}}, DType::F32},
      {{name + ".absmax", {blocks_of(weight.elements(), weight.block)}}, parts[2].dtype}};
  if (parts.size() > 3) {
    tensors.push_back({{name + ".nested_absmax", parts[3].shape}, DType::F32});
    tensors.push_back({{name + ".nested_quant_map", {256}}, DType::F32});
  }
  tensors.push_back(
      {{fmt::format("{}.quant_state.bitsandbytes__{}", name, weight.format()), {kStateBytes}},
       DType::U8});
  return tensors;
}

std::string_view torch_name(DType dtype) {
  switch (dtype) {
    case DType::BF16:
      return "bfloat16";
    case DType::F16:
      return "float16";
    default:
      return "float32";
  }
}

std::string bitsandbytes_state(const StoredWeight& weight, DType before) {
  json state{{"quant_type", weight.format()},
             {"blocksize", weight.block},
             {"dtype", torch_name(before)},
             {"shape", weight.shape}};
  if (weight.parts.size() > 3) {
    state["nested_blocksize"] = weight.nested_block;
    state["nested_dtype"] = "float32";
    state["nested_offset"] = weight.nested_offset;
  }
  std::string text = state.dump();
  text.resize(kStateBytes, ' ');
  return text;
}

std::string comfy_config(const StoredWeight& weight) {
  const DType dtype = weight.data().dtype;
  json config{{"format", dtype == DType::I8        ? "int8_tensorwise"
                         : dtype == DType::F8_E5M2 ? "float8_e5m2"
                                                   : "float8_e4m3fn"}};
  if (weight.rotation) {
    config["convrot"] = true;
    config["convrot_groupsize"] = weight.rotation;
  }
  return config.dump();
}

/// (ComfyUI, QUANTIZATION.md)
std::vector<TensorSpec> comfy_tensors(const std::string& name, const StoredWeight& weight) {
  const std::string layer(module_of(name));
  const int64_t scales = weight.parts[1].elements();
  const bool for_rows = scales > 1 || weight.data().dtype == DType::I8;
  const auto length = static_cast<int64_t>(comfy_config(weight).size());
  return {{{name, weight.shape}, weight.data().dtype},
          {{layer + ".weight_scale", for_rows ? Shape{scales, 1} : Shape{}}, DType::F32},
          {{layer + ".comfy_quant", {length}}, DType::U8}};
}

TensorView view_of_text(std::string text) {
  const auto owner = std::make_shared<const std::string>(std::move(text));
  return {
      DType::U8, {static_cast<int64_t>(owner->size())}, std::as_bytes(std::span(*owner)), owner};
}

TensorView empty_view(DType dtype, Shape shape) { return {dtype, std::move(shape), {}, nullptr}; }

}  // namespace

std::vector<TensorSpec> file_tensors(const std::string& name, const StoredWeight& weight) {
  if (weight.encoding == Encoding::Table4) return bitsandbytes_tensors(name, weight);
  if (weight.encoding == Encoding::Scaled) return comfy_tensors(name, weight);
  return {{{name, weight.shape}, weight.data().dtype}};
}

std::vector<TensorView> file_data(const StoredWeight& weight, DType before) {
  std::vector<TensorView> data = weight.parts;
  if (weight.encoding == Encoding::Table4) {
    data.push_back(view_of_text(bitsandbytes_state(weight, before)));
  }
  if (weight.encoding == Encoding::Scaled) data.push_back(view_of_text(comfy_config(weight)));
  return data;
}

StoredWeight outline(const Shape& shape, StorageFormat format) {
  StoredWeight weight(empty_view(dtype_of(format), shape));
  weight.encoding = encoding_of(format);
  if (weight.encoding == Encoding::Scaled) {
    const int64_t scales = format == StorageFormat::Int8Row && !shape.empty() ? shape[0] : 1;
    weight.parts.push_back(empty_view(DType::F32, {scales}));
  }
  if (weight.encoding == Encoding::Table4) {
    const int64_t blocks = blocks_of(weight.elements(), kTableBlock);
    weight.nf4 = format == StorageFormat::Nf4;
    weight.parts = {empty_view(DType::U8, {(weight.elements() + 1) / 2}),
                    empty_view(DType::F32, {16}), empty_view(DType::U8, {blocks}),
                    empty_view(DType::F32, {blocks_of(blocks, kTableNestedBlock)}),
                    empty_view(DType::F32, {256})};
  }
  return weight;
}

bool is_linear(const NamedShape& weight) {
  const std::string_view module = module_of(weight.name);
  return weight.shape.size() == 2 && weight.name.ends_with(".weight") &&
         std::ranges::none_of(kTables, [&](auto name) { return means_module(name, module); });
}

}  // namespace gesso::weights
