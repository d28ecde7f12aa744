// Storage formats: encoding, decoding, products.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>

#include "components.hpp"
#include "engine/weights/convert.hpp"
#include "engine/weights/siblings.hpp"
#include "engine/weights/table4.hpp"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "kinds.hpp"
#include "nn/linear.hpp"
#include "nn/linear_narrow.hpp"

namespace gesso::golden {
namespace {

using weights::DType;
using weights::StoredWeight;
using weights::TensorView;

DType dtype_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return DType::F32;
    case at::kBFloat16:
      return DType::BF16;
    case at::kHalf:
      return DType::F16;
    case at::kFloat8_e4m3fn:
      return DType::F8_E4M3;
    case at::kFloat8_e5m2:
      return DType::F8_E5M2;
    case at::kByte:
      return DType::U8;
    case at::kChar:
      return DType::I8;
    default:
      break;
  }
  throw Error(Status::BadData, fmt::format("a tensor of type {}", c10::toString(type)));
}

TensorView view_of(const at::Tensor& tensor) {
  const auto kept = std::make_shared<at::Tensor>(tensor.contiguous());
  return {dtype_of(kept->scalar_type()),
          kept->sizes().vec(),
          {static_cast<const std::byte*>(kept->const_data_ptr()), kept->nbytes()},
          kept};
}

/// The bytes of a view as a tensor of another type and shape.
at::Tensor tensor_of(const TensorView& view, at::ScalarType type, at::IntArrayRef shape) {
  const at::Tensor tensor = at::empty(shape, type);
  if (tensor.nbytes() != view.bytes.size()) {
    throw Error(Status::BadData,
                fmt::format("{} bytes, expected {}", view.bytes.size(), tensor.nbytes()));
  }
  std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  return tensor;
}

at::Tensor flat(const TensorView& view, at::ScalarType type) {
  return tensor_of(view, type, {static_cast<int64_t>(view.bytes.size() / c10::elementSize(type))});
}

at::Tensor decoded(const StoredWeight& weight) {
  return tensor_of(decode(weight, DType::F32), at::kFloat, weight.shape);
}

struct NamedFp8 {
  const char* name;
  DType dtype;
  at::ScalarType type;
};
constexpr NamedFp8 kFp8[] = {{"float8_e4m3fn", DType::F8_E4M3, at::kFloat8_e4m3fn},
                             {"float8_e5m2", DType::F8_E5M2, at::kFloat8_e5m2}};

const NamedFp8& fp8_named(const std::string& name) {
  for (const NamedFp8& fp8 : kFp8) {
    if (fp8.name == name) return fp8;
  }
  throw Error(Status::BadData, fmt::format("\"{}\" is no fp8 type", name));
}

Tensors fp8_table(const Context&, const Case& golden) {
  Tensors outputs;
  std::vector<uint8_t> codes(256);
  for (size_t i = 0; i < 256; ++i) codes[i] = static_cast<uint8_t>(i);
  for (const NamedFp8& fp8 : kFp8) {
    const std::string table = fmt::format("table.{}.", fp8.name);
    const TensorView all{fp8.dtype, {256}, std::as_bytes(std::span(codes)), nullptr};
    outputs[table + "decoded"] = flat(materialize(all, DType::F32), at::kFloat);
    const at::Tensor values = golden.input("values");
    for (const auto& [name, type] :
         {std::pair("float32", at::kFloat), {"bfloat16", at::kBFloat16}}) {
      outputs[table + "encoded_from_" + name] =
          flat(materialize(view_of(values.to(type)), fp8.dtype), at::kByte);
    }
  }
  return outputs;
}

/// A Linear stored in fp8 and computed in another type, or by the scaled product of fp8.
Tensors fp8_linear(const Context&, const Case& golden) {
  const NamedFp8& storage = fp8_named(golden.params().at("storage_dtype"));
  const std::string computation = golden.params().at("computation_dtype");
  Tensors outputs;
  const auto stored = [&](const std::string& name) {
    const at::Tensor& original = golden.input(name);
    const TensorView view = materialize(view_of(original), storage.dtype);
    outputs[name + "_bytes"] = tensor_of(view, at::kByte, original.sizes());
    return tensor_of(view, storage.type, original.sizes());
  };
  const at::Tensor weight = stored("weight"), bias = stored("bias"), x = golden.input("x");
  if (computation.starts_with("float8")) {
    outputs["out"] = nn::linear_fp8(x, weight, bias.to(at::kBFloat16));
  } else {
    outputs["out"] = nn::linear(x, {weight.to(x.scalar_type()), {}}, bias.to(x.scalar_type()));
  }
  return outputs;
}

/// A DiT with every tensor of its file in fp8.
Tensors fp8_dit(const Context& context, const Case& golden) {
  const std::string dtype =
      golden.params().value("computation_dtype", "float32") == "bfloat16" ? "bf16" : "f32";
  const std::string numerics = dtype == "bf16" ? "diffsynth" : "precise";
  auto plan = weights_plan(*context.registry, golden, "dit", "denoiser", dtype);
  plan.storage = {std::string(golden.params().at("storage_dtype")), {}, {}};
  Bench bench(context.registry, plan, numerics);
  ValueList values;
  values.set_text("numerics", numerics);
  const at::ScalarType type = dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  const auto results =
      bench.run(GESSO_OP_DENOISE,
                {{GESSO_PORT_LATENTS, {golden.input("latents")[0].to(type)}},
                 {GESSO_PORT_TEXT, {golden.input("prompt_embeds").to(type)}}},
                {{GESSO_PORT_TIMESTEP, golden.input("timestep").to(at::kFloat)}}, values);
  return {{"noise_pred", results.at("prediction.0").unsqueeze(0)}};
}

Tensors nf4_quantize(const Context&, const Case& golden) {
  const auto& params = golden.params();
  const bool nf4 = params.value("quant_type", "nf4") == "nf4";
  const weights::Table4Options options{nf4, params.value("blocksize", weights::kTableBlock),
                                       params.value("compress_statistics", true)};
  const StoredWeight weight = encode_table4(view_of(golden.input("weight")), options);
  const auto& parts = weight.parts;
  Tensors outputs;
  outputs["weight"] = flat(parts[0], at::kByte).unsqueeze(1);
  outputs["weight.quant_map"] = outputs["table.code"] = flat(parts[1], at::kFloat);
  outputs["weight.absmax"] = flat(parts[2], options.nested ? at::kByte : at::kFloat);
  if (options.nested) {
    outputs["weight.nested_absmax"] = flat(parts[3], at::kFloat);
    outputs["weight.nested_quant_map"] = flat(parts[4], at::kFloat);
    outputs["nested_offset"] = at::full({1}, weight.nested_offset, at::kFloat);
  }
  outputs["dequantized"] = decoded(weight);
  return outputs;
}

/// The tensors of a file of bitsandbytes, as its reader joins them.
Tensors nf4_dequantize(const Context&, const Case& golden) {
  std::vector<weights::TensorInfo> infos;
  for (const auto& [name, tensor] : golden.inputs) {
    if (name == "x") continue;
    weights::TensorInfo info;
    info.name = name;
    info.shape = tensor.sizes().vec();
    info.dtype = dtype_of(tensor.scalar_type());
    infos.push_back(std::move(info));
  }
  const auto joined = weights::join_siblings(
      infos, [&](const weights::TensorInfo& info) { return view_of(golden.input(info.name)); });
  for (const weights::NamedWeight& weight : joined) {
    if (!weight.problem.empty()) throw Error(Status::BadData, weight.problem);
    if (weight.name != "weight") continue;
    Tensors outputs{{"dequantized", decoded(weight.weight)}};
    if (golden.inputs.count("x")) {
      outputs["out"] = nn::linear(golden.input("x"), {outputs["dequantized"], {}});
    }
    return outputs;
  }
  throw Error(Status::BadData, "the inputs have no \"weight\"");
}

DType block_type(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto dtype = weights::dtype_from_name(name);
  if (!dtype) throw Error(Status::BadData, fmt::format("there is no format \"{}\"", name));
  return *dtype;
}

Tensors gguf_quantize(const Context&, const Case& golden) {
  Tensors outputs;
  const at::Tensor& values = golden.input("values");
  for (const std::string name : golden.params().at("formats")) {
    const auto format = weights::storage_format(name);
    const StoredWeight weight = encode(view_of(values), format);
    outputs[name] = tensor_of(
        weight.data(), at::kByte,
        {values.size(0), static_cast<int64_t>(weight.data().bytes.size()) / values.size(0)});
  }
  return outputs;
}

Tensors gguf_dequantize(const Context&, const Case& golden) {
  Tensors outputs;
  for (const auto& [name, bytes] : golden.inputs) {
    const DType dtype = block_type(name);
    const int64_t columns =
        bytes.size(1) / weights::block_bytes(dtype) * weights::block_elements(dtype);
    TensorView blocks = view_of(bytes);
    blocks.dtype = dtype;
    blocks.shape = {bytes.size(0), columns};
    outputs[name] = tensor_of(materialize(blocks, DType::F32), at::kFloat, blocks.shape);
  }
  return outputs;
}

}  // namespace

void add_storage_kinds(std::map<std::string, Compute>& table) {
  table["storage.fp8_table"] = fp8_table;
  table["storage.fp8_linear"] = fp8_linear;
  table["storage.fp8_dit"] = fp8_dit;
  table["storage.nf4_quantize"] = nf4_quantize;
  table["storage.nf4_dequantize"] = nf4_dequantize;
  table["storage.gguf_quantize"] = gguf_quantize;
  table["storage.gguf_dequantize"] = gguf_dequantize;
}

}  // namespace gesso::golden
