#include "engine/weights/quantize_file.hpp"

#include <fmt/format.h>

#include "engine/weights/mapped_weights.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

const auto kNothing = [](const std::string&, size_t, size_t) {};

WeightSet small_dit(const char* file = "comfy.safetensors") {
  return WeightSet::open(kModels / "dit_small" / file);
}

struct Written {
  WeightSet set;
  QuantizeResult result;
};

Written quantised(const TemporaryFolder& folder, const std::string& format,
                  QuantizeOptions options = {}) {
  const bool gguf = is_quantised(dtype_of(storage_format(format)));
  const auto path = folder.path / (gguf ? "new.gguf" : "new.safetensors");
  options.rule.format = format;
  QuantizeResult result = quantize_file(small_dit(), path, options, kNothing);
  return {WeightSet::open(path), std::move(result)};
}

}  // namespace

TEST_CASE("a file in any format is the same model, and as near as the error that is told") {
  const auto plain = MappedWeights::open(small_dit(), z_image_pattern());
  for (const std::string format :
       {"bf16", "fp8_e4m3", "fp8_scaled", "int8_row", "nf4", "fp4", "q8_0", "q4_0", "q5_1"}) {
    CAPTURE(format);
    const TemporaryFolder folder;
    const auto [set, result] = quantised(folder, format);
    const auto mapped = MappedWeights::open(set, z_image_pattern());
    CHECK(mapped.match().layout == "comfy");
    CHECK(mapped.names() == plain.names());
    const std::string name = "layers.0.attention.to_k.weight";
    CHECK(mapped.find(name)->format() == name_of(storage_format(format)));
    const StoredWeight direct = encode(
        decode(*plain.find("layers.0.feed_forward.w1.weight"), DType::F32), storage_format(format));
    const TensorView a = decode(direct, DType::BF16);
    const TensorView b = decode(*mapped.find("layers.0.feed_forward.w1.weight"), DType::BF16);
    CHECK(std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end()));
    CHECK(result.quantised > 10);
    CHECK(result.quantised + result.kept == set.weights().size());
    CHECK(result.error < 0.16);
    CHECK((result.error > 0) == (format != "bf16"));  // the file is bf16
    const bool all = format == "bf16" || format == "fp8_e4m3";
    CHECK(mapped.find("layers.0.attention_norm1.weight")->format() == (all ? format : "bf16"));
  }
}

TEST_CASE("modules are left out and chosen by name or the end of it") {
  const TemporaryFolder folder;
  QuantizeOptions options;
  options.rule.exclude_modules = {"qkv", "layers.0.feed_forward.w1"};
  const auto [set, result] = quantised(folder, "nf4", options);
  const auto mapped = MappedWeights::open(set, z_image_pattern());
  CHECK(mapped.find("layers.0.attention.to_q.weight")->format() == "bf16");
  CHECK(mapped.find("layers.0.feed_forward.w1.weight")->format() == "bf16");
  CHECK(mapped.find("layers.0.feed_forward.w3.weight")->format() == "nf4");
  options.rule = {"", {"w3"}, {}};
  const TemporaryFolder other;
  CHECK(quantised(other, "int8", options).result.quantised == 3);
  CHECK(means_module("to_q", "layers.0.attention.to_q"));
  CHECK(means_module("attention.to_q", "layers.0.attention.to_q"));
  CHECK(!means_module("_q", "layers.0.attention.to_q"));
}

TEST_CASE("rows that do not fit blocks stay and are told, unless they were asked for") {
  const TemporaryFolder folder;
  const auto [set, result] = quantised(folder, "q4_k");
  CHECK(result.quantised == 1);  // of all matrices only this has rows of 256
  CHECK(set.find("t_embedder.mlp.0.weight")->dtype == DType::Q4_K);
  CHECK(result.left.size() > 10);
  const TemporaryFolder other;
  QuantizeOptions options;
  options.rule = {"q4_k", {"w1"}, {}};
  const auto [status, reason] =
      error_of([&] { quantize_file(small_dit(), other.path / "a.gguf", options, kNothing); });
  CHECK(status == Status::InvalidArgument);
  CHECK(contains(reason, "feed_forward.w1.weight"));
  CHECK(contains(reason, "multiple of 256"));
  CHECK(std::filesystem::is_empty(other.path));
}

TEST_CASE("wrong requests leave no file behind") {
  const TemporaryFolder folder;
  const auto refused = [&](const char* file, const StorageRule& rule, const WeightSet& set) {
    const auto [status, text] = error_of([&] {
      quantize_file(set, folder.path / file, {rule, ""}, kNothing);
    });
    CHECK(status == Status::InvalidArgument);
    CHECK(std::filesystem::is_empty(folder.path));
    return text;
  };
  CHECK(contains(refused("a.safetensors", {"q8_0", {}, {}}, small_dit()), "ends with .gguf"));
  CHECK(contains(refused("a.gguf", {"nf4", {}, {}}, small_dit()), "ends with .safetensors"));
  CHECK(contains(refused("a.safetensors", {"nf4", {}, {"w9"}}, small_dit()),
                 "no module is called \"w9\""));
  const auto interrupted = error_of([&] {
    quantize_file(small_dit(), folder.path / "a.safetensors", {{"nf4", {}, {}}, ""},
                  [](const std::string&, size_t done, size_t) {
                    if (done == 5) throw Error(Status::Cancelled, "enough");
                  });
  });
  CHECK(interrupted.first == Status::Cancelled);
  CHECK(std::filesystem::is_empty(folder.path));
  const TemporaryFolder first;
  const auto nf4 = quantised(first, "nf4");
  CHECK(contains(refused("a.safetensors", {"int8", {}, {}}, nf4.set), "is stored as nf4 already"));
}

TEST_CASE("the full-size transformer in 4 bits takes at most 3.6 GB") {
  const Dimensions full{{{"D", 3840},
                         {"P", 64},
                         {"t_mid", 1024},
                         {"adaln", 256},
                         {"cap", 2560},
                         {"head", 128},
                         {"FFN", 10240}},
                        {{"n_layers", 30}, {"n_refiner_layers", 2}}};
  for (const auto& [format, limit] : {std::pair(std::string("nf4"), 3.6e9),
                                      {"q4_0", 3.6e9},
                                      {"int8_row", 6.3e9},
                                      {"q8_0", 6.7e9}}) {
    CAPTURE(format);
    int64_t bytes = 0, elements = 0;
    for (const NamedShape& tensor : expand(z_image_pattern(), full)) {
      const bool linear = tensor.shape.size() == 2 && tensor.name.ends_with(".weight");
      const auto size =
          stored_bytes(linear ? storage_format(format) : StorageFormat::BF16, tensor.shape);
      REQUIRE(size);
      bytes += *size;
      elements += *element_count(tensor.shape);
    }
    CHECK(elements == 6154908736);
    CHECK(static_cast<double>(bytes) <= limit);
  }
}
