#include "engine/weights/quantize_file.hpp"

#include "engine/weights/convert.hpp"
#include "engine/weights/gguf_writer.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <map>

namespace gesso::weights {
namespace {

using nlohmann::json;

// The length of the state stands in the header before its offset is known, so it is padded.
constexpr int64_t kStateBytes = 256;
constexpr std::string_view kWeight = ".weight";
// What Hugging Face and llama.cpp call tables that are looked up, not multiplied with.
constexpr std::array<std::string_view, 4> kTables = {"embed_tokens", "token_embd",
                                                     "position_embedding", "embeddings"};

bool is_linear(const NamedWeight& weight) {
  const std::string_view module = module_of(weight.name);
  return weight.shape.size() == 2 && weight.name.ends_with(kWeight) &&
         std::ranges::none_of(kTables, [&](auto name) { return means_module(name, module); });
}

/// One weight and the tensors that it becomes.
struct Plan {
  const NamedWeight* source;
  bool quantised = false;
  std::vector<TensorSpec> tensors;
};

int64_t blocks_of(int64_t count, int64_t block) { return (count + block - 1) / block; }

/// In the order of the parts, the JSON text last. (bitsandbytes, QuantState.as_dict)
std::vector<TensorSpec> bitsandbytes_tensors(const NamedWeight& weight, StorageFormat format) {
  const int64_t count = weight.weight.elements(), blocks = blocks_of(count, kTableBlock);
  const std::string& name = weight.name;
  return {{{name, {(count + 1) / 2, 1}}, DType::U8},
          {{name + ".quant_map", {16}}, DType::F32},
          {{name + ".absmax", {blocks}}, DType::U8},
          {{name + ".nested_absmax", {blocks_of(blocks, kTableNestedBlock)}}, DType::F32},
          {{name + ".nested_quant_map", {256}}, DType::F32},
          {{fmt::format("{}.quant_state.bitsandbytes__{}", name, name_of(format)), {kStateBytes}},
           DType::U8}};
}

std::string comfy_config(StorageFormat format) {
  return json{{"format", format == StorageFormat::Int8Row ? "int8_tensorwise" : "float8_e4m3fn"}}
      .dump();
}

/// (ComfyUI, QUANTIZATION.md)
std::vector<TensorSpec> comfy_tensors(const NamedWeight& weight, StorageFormat format) {
  const std::string layer(module_of(weight.name));
  const Shape scale = format == StorageFormat::Int8Row ? Shape{weight.shape[0], 1} : Shape{};
  const auto length = static_cast<int64_t>(comfy_config(format).size());
  return {{{weight.name, weight.shape}, dtype_of(format)},
          {{layer + ".weight_scale", scale}, DType::F32},
          {{layer + ".comfy_quant", {length}}, DType::U8}};
}

std::vector<TensorSpec> tensors_for(const NamedWeight& weight, StorageFormat format) {
  switch (encoding_of(format)) {
    case Encoding::Plain:
      return {{{weight.name, weight.shape}, dtype_of(format)}};
    case Encoding::Scaled:
      return comfy_tensors(weight, format);
    case Encoding::Table4:
      return bitsandbytes_tensors(weight, format);
  }
  return {};
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

std::string state_text(const StoredWeight& stored, DType before) {
  std::string text = json{{"quant_type", stored.nf4 ? "nf4" : "fp4"},
                          {"blocksize", stored.block},
                          {"dtype", torch_name(before)},
                          {"shape", stored.shape},
                          {"nested_blocksize", stored.nested_block},
                          {"nested_dtype", "float32"},
                          {"nested_offset", stored.nested_offset}}
                         .dump();
  text.resize(kStateBytes, ' ');
  return text;
}

/// The text that closes a weight's tensors; "" when there is none.
std::string closing_text(const StoredWeight& stored, StorageFormat format, DType before) {
  switch (encoding_of(format)) {
    case Encoding::Scaled:
      return comfy_config(format);
    case Encoding::Table4:
      return state_text(stored, before);
    default:
      return {};
  }
}

/// Either writer, a tensor at a time.
class Writer {
 public:
  Writer(const std::filesystem::path& path, const std::vector<TensorSpec>& tensors, bool gguf,
         const std::map<std::string, std::string>& metadata) {
    if (gguf) {
      gguf_.emplace(path, tensors, metadata);
    } else {
      safetensors_.emplace(path, tensors, metadata);
    }
  }
  void write(std::span<const std::byte> tensor) {
    gguf_ ? gguf_->write(tensor) : safetensors_->write(tensor);
  }
  void finish() { gguf_ ? gguf_->finish() : safetensors_->finish(); }

 private:
  std::optional<GgufWriter> gguf_;
  std::optional<SafetensorsWriter> safetensors_;
};

void check_ending(const std::filesystem::path& path, StorageFormat format) {
  const char* ending = is_quantised(dtype_of(format)) ? ".gguf" : ".safetensors";
  if (path.extension() == ending) return;
  throw Error(Status::InvalidArgument, fmt::format("{}: {} goes into a file that ends with {}",
                                                   path.string(), name_of(format), ending));
}

class ErrorSum {
 public:
  void add(const TensorView& found, const TensorView& expected) {
    const auto* x = reinterpret_cast<const float*>(found.bytes.data());
    const auto* y = reinterpret_cast<const float*>(expected.bytes.data());
    for (int64_t i = 0; i < expected.elements(); ++i) {
      const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
      error_ += difference * difference;
      size_ += static_cast<double>(y[i]) * static_cast<double>(y[i]);
    }
  }
  double relative() const { return size_ > 0 ? std::sqrt(error_ / size_) : 0; }

 private:
  double error_ = 0, size_ = 0;
};

/// What becomes of each weight. Matrices whose rows do not fit blocks stay as they are, as
/// llama.cpp leaves them, unless the rule names its targets.
std::vector<Plan> plan_all(const WeightSet& set, const StorageRule& rule, StorageFormat format,
                           Storing& storing, QuantizeResult& result) {
  std::vector<Plan> plans;
  for (const NamedWeight& weight : set.weights()) {
    if (!weight.problem.empty()) {
      throw Error(Status::BadData, fmt::format("{}: {}", set.describe(), weight.problem));
    }
    Plan plan{&weight, storing.covers(weight.name, weight.weight, is_linear(weight)), {}};
    if (plan.quantised && !stored_bytes(format, weight.shape)) {
      if (!rule.target_modules.empty()) storing.store(weight.name, weight.weight);  // tells why
      result.left.push_back(weight.name);
      plan.quantised = false;
    }
    if (plan.quantised) {
      plan.tensors = tensors_for(weight, format);
    } else if (weight.weight.encoding == Encoding::Plain) {
      plan.tensors = {{{weight.name, weight.shape}, weight.weight.data().dtype}};
    } else {
      throw Error(Status::InvalidArgument,
                  fmt::format("{}: weight \"{}\" is stored as {} already; quantise the original "
                              "file",
                              set.describe(), weight.name, weight.weight.format()));
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

void check_rule(const Storing& storing, const std::vector<Plan>& plans, const WeightSet& set) {
  const auto unused = storing.unused();
  if (!unused.empty()) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: no module is called \"{}\"", set.describe(),
                            fmt::join(unused, "\" or \"")));
  }
  if (std::ranges::none_of(plans, &Plan::quantised)) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: there is nothing to quantise in it", set.describe()));
  }
}

std::map<std::string, std::string> metadata_for(const WeightSet& set, bool gguf,
                                                const std::string& architecture) {
  if (!gguf) return {{"format", "pt"}};
  const auto found = set.metadata().find("general.architecture");
  const std::string own = found != set.metadata().end() ? found->second : "unknown";
  return {{"general.architecture", architecture.empty() ? own : architecture}};
}

}  // namespace

QuantizeResult quantize_file(const WeightSet& set, const std::filesystem::path& path,
                             const QuantizeOptions& options, const QuantizeProgress& progress) {
  const StorageFormat format = storage_format(options.rule.format);
  check_ending(path, format);
  QuantizeResult result;
  Storing storing(options.rule);
  const auto plans = plan_all(set, options.rule, format, storing, result);
  check_rule(storing, plans, set);
  std::vector<TensorSpec> tensors;
  for (const Plan& plan : plans) {
    tensors.insert(tensors.end(), plan.tensors.begin(), plan.tensors.end());
  }
  const bool gguf = is_quantised(dtype_of(format));
  Writer writer(path, tensors, gguf, metadata_for(set, gguf, options.architecture));
  ErrorSum error;
  for (size_t i = 0; i < plans.size(); ++i) {
    const Plan& plan = plans[i];
    const TensorView& before = plan.source->weight.data();
    progress(plan.source->name, i, plans.size());
    result.bytes_before += before.bytes.size();
    if (!plan.quantised) {
      ++result.kept;
      result.bytes_after += before.bytes.size();
      writer.write(before.bytes);
      continue;
    }
    ++result.quantised;
    const TensorView wide = float_values(before);
    const StoredWeight stored = encode(wide, format);
    error.add(decode(stored, DType::F32), wide);
    const auto start = std::chrono::steady_clock::now();
    decode(stored, DType::BF16);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    result.decode_seconds += seconds.count();
    result.bytes_after += stored.size_bytes();
    for (const TensorView& part : stored.parts) writer.write(part.bytes);
    const std::string text = closing_text(stored, format, before.dtype);
    if (!text.empty()) writer.write(std::as_bytes(std::span(text)));
  }
  result.error = error.relative();
  writer.finish();
  return result;
}

}  // namespace gesso::weights
