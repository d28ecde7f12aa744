#include "engine/weights/convert_file.hpp"

#include <fmt/format.h>

#include "engine/weights/inverse_rule.hpp"
#include "engine/weights/layout_writer.hpp"
#include "engine/weights/mapped_weights.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

const auto kNothing = [](uint64_t, uint64_t, const std::string&) {};

WeightSet small_dit(const char* file) { return WeightSet::open(kModels / "dit_small" / file); }

ConvertResult converted(const WeightSet& set, const ComponentPattern& pattern,
                        const std::filesystem::path& path, const ConvertOptions& options,
                        const WeightEdit& edit = {}) {
  return convert_file(set, pattern, match(set, pattern), path, options, kNothing, edit);
}

bool same_bytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

/// Names, shapes and bytes of all tensors.
void check_same_tensors(const WeightSet& a, const WeightSet& b) {
  REQUIRE(a.tensors().size() == b.tensors().size());
  for (const TensorInfo& tensor : a.tensors()) {
    CAPTURE(tensor.name);
    const TensorInfo* other = b.find(tensor.name);
    REQUIRE(other);
    CHECK(same_bytes(a.view(tensor), b.view(*other)));
  }
}

}  // namespace

TEST_CASE("a rule that renames is turned around, or told to have no way back") {
  const auto back = inverse("^blk\\.(\\d+)\\.attn_(q|k)$", "layers.$1.self-$2");
  REQUIRE(back);
  CHECK(back->text == "^layers\\.(\\d+)\\.self-(q|k)$");
  CHECK(back->into == "blk.$1.attn_$2");
  const auto swapped = inverse("(a|b)\\.(c|d)", "$2_$1");
  REQUIRE(swapped);
  CHECK(std::regex_replace(std::string("c_b"), swapped->match, swapped->into) == "b.c");
  for (const auto& [expression, replacement] : std::vector<std::pair<const char*, const char*>>{
           {"a.b", "c"}, {"a+", "b"}, {"(a)(b)", "$1"}, {"(a)", "$1$1"}, {"(?:a)", "b"}}) {
    CAPTURE(expression);
    CHECK(!inverse(expression, replacement));
  }
}

TEST_CASE("every layout of the transformer gives every other, bit for bit") {
  const TemporaryFolder folder;
  const auto pattern = z_image_pattern();
  struct Form {
    const char *file, *layout, *prefix;
  };
  const Form forms[] = {{"diffusers.safetensors", "native", ""},
                        {"diffusers_prefixed.safetensors", "prefixed", "model.diffusion_model."},
                        {"comfy.safetensors", "comfy", ""},
                        {"comfy_prefixed.safetensors", "comfy", "model.diffusion_model."}};
  for (const Form& from : forms) {
    for (const Form& to : forms) {
      CAPTURE(from.file);
      CAPTURE(to.file);
      ConvertOptions options;
      options.layout = to.layout;
      options.prefix = to.prefix;
      const auto path = folder.path / "new.safetensors";
      const auto result = converted(small_dit(from.file), pattern, path, options);
      CHECK(result.files == std::vector{path});
      CHECK(result.decoded + result.stored + result.requantised == 0);
      check_same_tensors(small_dit(to.file), WeightSet::open(path));
    }
  }
}

TEST_CASE("both layouts of the autoencoder give each other, with their convolutions") {
  const TemporaryFolder folder;
  const auto pattern = flux_vae_pattern();
  const auto diffusers = WeightSet::open(kModels / "vae/diffusion_pytorch_model.safetensors");
  const auto bfl = WeightSet::open(kModels / "vae_bfl/ae.safetensors");
  ConvertOptions options;
  options.layout = "bfl";
  converted(diffusers, pattern, folder.path / "ae.safetensors", options);
  CHECK(WeightSet::open(folder.path / "ae.safetensors")
            .find("encoder.mid.attn_1.q.weight")
            ->shape.size() == 4);
  options.layout = "diffusers";
  for (const auto& source : {bfl, WeightSet::open(folder.path / "ae.safetensors")}) {
    converted(source, pattern, folder.path / "back.safetensors", options);
    const auto a = MappedWeights::open(WeightSet::open(folder.path / "back.safetensors"), pattern);
    const auto b = MappedWeights::open(source, pattern);
    CHECK(a.match().layout == "native");
    for (const std::string& name : b.names()) {
      CHECK(same_bytes(a.find(name)->data(), b.find(name)->data()));
    }
  }
  check_same_tensors(diffusers, WeightSet::open(folder.path / "back.safetensors"));
}

TEST_CASE("llama.cpp's names of the text encoder come and go") {
  const TemporaryFolder folder;
  const auto pattern = qwen3_pattern();
  const auto set = WeightSet::open(kModels / "text_encoder/model.safetensors");
  const auto there = converted(set, pattern, folder.path / "qwen3.gguf", {});
  CHECK(there.layout == "llama_cpp");
  const auto gguf = WeightSet::open(folder.path / "qwen3.gguf");
  CHECK(gguf.find("blk.0.attn_q_norm.weight"));
  CHECK(gguf.metadata().at("general.architecture") == "qwen3");
  converted(gguf, pattern, folder.path / "back.safetensors", {});
  check_same_tensors(set, WeightSet::open(folder.path / "back.safetensors"));
}

TEST_CASE("blocks of GGUF are fused and parted without a change; safetensors gets them decoded") {
  const TemporaryFolder folder;
  const auto pattern = z_image_pattern();
  ConvertOptions options;
  options.rule.format = "q8_0";
  const auto first =
      converted(small_dit("diffusers.safetensors"), pattern, folder.path / "a.gguf", options);
  CHECK(first.layout == "comfy");
  CHECK(first.stored > 0);
  const auto gguf = WeightSet::open(folder.path / "a.gguf");
  CHECK(gguf.metadata().at("general.architecture") == "lumina2");
  options = {};
  options.layout = "native";
  converted(gguf, pattern, folder.path / "b.gguf", options);
  converted(WeightSet::open(folder.path / "b.gguf"), pattern, folder.path / "c.gguf", {});
  check_same_tensors(gguf, WeightSet::open(folder.path / "c.gguf"));

  const auto decoded = converted(gguf, pattern, folder.path / "d.safetensors", {});
  CHECK(decoded.decoded > first.stored);  // fused ones count three times
  const auto a = MappedWeights::open(gguf, pattern);
  const auto b = MappedWeights::open(WeightSet::open(folder.path / "d.safetensors"), pattern);
  for (const std::string& name : a.names()) {
    CHECK(same_bytes(decode(*a.find(name), DType::BF16), decode(*b.find(name), DType::BF16)));
  }
}

TEST_CASE("what is stored in fewer bits is parted, and fused only where nothing is lost") {
  const TemporaryFolder folder;
  const auto pattern = z_image_pattern();
  for (const std::string format : {"fp8_scaled", "int8_row", "fp8_e4m3", "nf4"}) {
    CAPTURE(format);
    ConvertOptions options;
    options.rule.format = format;
    options.layout = "comfy";
    const auto path = folder.path / (format + ".safetensors");
    converted(small_dit("comfy.safetensors"), pattern, path, options);
    const auto fused = WeightSet::open(path);
    options = {};
    options.layout = "comfy";
    options.prefix = "model.diffusion_model.";
    converted(fused, pattern, folder.path / "prefixed.safetensors", options);
    options.prefix = "";
    converted(WeightSet::open(folder.path / "prefixed.safetensors"), pattern,
              folder.path / "again.safetensors", options);
    check_same_tensors(fused, WeightSet::open(folder.path / "again.safetensors"));
  }
  ConvertOptions parts;
  parts.rule.format = "fp8_scaled";
  converted(small_dit("diffusers.safetensors"), pattern, folder.path / "parts.safetensors", parts);
  ConvertOptions comfy;
  comfy.layout = "comfy";
  const auto [status, text] = error_of([&] {
    converted(WeightSet::open(folder.path / "parts.safetensors"), pattern,
              folder.path / "no.safetensors", comfy);
  });
  CHECK(status == Status::NotSupported);
  CHECK(contains(text, "name a format"));
  CHECK(!std::filesystem::exists(folder.path / "no.safetensors"));
  comfy.rule.format = "bf16";
  converted(WeightSet::open(folder.path / "parts.safetensors"), pattern,
            folder.path / "yes.safetensors", comfy);
}

TEST_CASE("shards have an index, and are the same weights") {
  const TemporaryFolder folder;
  const auto pattern = z_image_pattern();
  const auto set = small_dit("diffusers.safetensors");
  ConvertOptions options;
  options.max_shard_bytes = set.size_bytes() / 3;
  const auto result = converted(set, pattern, folder.path / "model.safetensors", options);
  REQUIRE(result.files.size() >= 4);
  CHECK(result.files.back().filename() == "model.safetensors.index.json");
  CHECK(result.files[0].filename().string().starts_with("model-00001-of-0000"));
  const auto shards = WeightSet::open(folder.path);
  CHECK(shards.files().size() == result.files.size() - 1);
  check_same_tensors(set, shards);
}

TEST_CASE("an edit changes what it touches, in a fused tensor too") {
  const TemporaryFolder folder;
  const auto pattern = z_image_pattern();
  const std::string touched = "layers.0.attention.to_k.weight";
  WeightEdit edit;
  edit.touches = [&](const std::string& name) { return name == touched; };
  edit.apply = [](const std::string&, const TensorView& values) {
    const auto zeros = std::make_shared<std::vector<std::byte>>(values.bytes.size());
    return TensorView{DType::F32, values.shape, *zeros, zeros};
  };
  ConvertOptions options;
  options.layout = "comfy";
  const auto set = small_dit("diffusers.safetensors");
  converted(set, pattern, folder.path / "new.safetensors", options, edit);
  const auto before = MappedWeights::open(set, pattern);
  const auto after = MappedWeights::open(WeightSet::open(folder.path / "new.safetensors"), pattern);
  for (const std::string& name : before.names()) {
    CAPTURE(name);
    const TensorView a = before.find(name)->data(), b = after.find(name)->data();
    CHECK(a.dtype == b.dtype);
    CHECK(same_bytes(a, b) == (name != touched));
  }
}

TEST_CASE("wrong requests are told before anything is written") {
  const TemporaryFolder folder;
  const auto pattern = z_image_pattern();
  const auto set = small_dit("diffusers.safetensors");
  const auto refused = [&](const char* file, const std::string& layout, const std::string& prefix,
                           const StorageRule& rule) {
    ConvertOptions options;
    options.layout = layout;
    if (!prefix.empty()) options.prefix = prefix;
    options.rule = rule;
    return error_of([&] { converted(set, pattern, folder.path / file, options); }).second;
  };
  CHECK(contains(refused("a.safetensors", "comfi", "", {}), "did you mean \"comfy\"?"));
  CHECK(contains(refused("a.safetensors", "comfy", "vae.", {}), "has no prefix \"vae.\""));
  CHECK(contains(refused("a.safetensors", "", "", {"q8_0", {}, {}}), "ends with .gguf"));
  CHECK(contains(refused("a.bin", "", "", {}), "ends with .safetensors or .gguf"));
  CHECK(contains(refused("a.safetensors", "", "", {"nf4", {"w9"}, {}}),
                 "no module is called \"w9\""));
  CHECK(std::filesystem::is_empty(folder.path));
}
