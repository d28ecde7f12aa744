#include "engine/weights/recognise.hpp"

#include "engine/weights/convert.hpp"
#include "engine/weights/inspect.hpp"
#include "engine/weights/safetensors_writer.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

const std::vector<ComponentPattern>& patterns() {
  static const std::vector<ComponentPattern> all = {z_image_pattern(), qwen3_pattern(),
                                                    flux_vae_pattern()};
  return all;
}

/// A file of the tensors of `set`, changed by `edit`.
template <class Edit>
WeightSet edited(const WeightSet& set, const TemporaryFolder& folder, Edit&& edit) {
  std::vector<NamedTensor> tensors;
  for (const TensorInfo& tensor : set.tensors()) tensors.push_back({tensor.name, set.view(tensor)});
  edit(tensors);
  const auto path = folder.path / "edited.safetensors";
  write_safetensors(path, tensors);
  return WeightSet::open(path);
}

WeightSet from_names(const TemporaryFolder& folder, const std::vector<std::string>& names) {
  static const std::byte kByte{1};
  std::vector<NamedTensor> tensors;
  for (const auto& name : names) tensors.push_back({name, {DType::U8, {1}, {&kByte, 1}, nullptr}});
  write_safetensors(folder.path / "names.safetensors", tensors);
  return WeightSet::open(folder.path / "names.safetensors");
}

}  // namespace

TEST_CASE("every layout of our components is recognised exactly, with its sizes") {
  struct Case {
    const char* file;
    const char* component;
    const char* layout;
    std::map<std::string, int64_t> some_sizes, some_counts;
  };
  const std::map<std::string, int64_t> small = {
      {"D", 32}, {"P", 64}, {"head", 16}, {"FFN", 85}, {"cap", 24}, {"t_mid", 64}, {"adaln", 32}};
  const std::map<std::string, int64_t> one = {{"n_layers", 1}, {"n_refiner_layers", 1}};
  const Case cases[] = {
      {"dit_small/diffusers.safetensors", "z_image", "native", small, one},
      {"dit_small/diffusers_prefixed.safetensors", "z_image", "prefixed", small, one},
      {"dit_small/comfy.safetensors", "z_image", "comfy", small, one},
      {"dit_small/comfy_prefixed.safetensors", "z_image", "comfy", small, one},
      {"dit_small/comfy.gguf", "z_image", "comfy", small, one},
      {"dit_small/transformer", "z_image", "native", small, one},
      {"dit/diffusers.safetensors",
       "z_image",
       "native",
       {{"D", 64}},
       {{"n_layers", 3}, {"n_refiner_layers", 1}}},
      {"text_encoder/model.safetensors",
       "qwen3",
       "native",
       {{"D", 48}, {"q", 64}, {"kv", 32}, {"head", 16}, {"FFN", 112}, {"vocab", 1000}},
       {{"n_layers", 3}}},
      {"vae",
       "flux_vae",
       "native",
       {{"E[0]", 8}, {"E[1]", 16}, {"E[3]", 32}, {"U[0]", 32}, {"U[3]", 8}, {"M", 32}, {"Z", 16}},
       {{"levels", 4}, {"layers", 2}}},
      {"vae_bfl/ae.safetensors",
       "flux_vae",
       "bfl",
       {{"E[0]", 4}, {"E[2]", 16}, {"U[0]", 16}, {"U[2]", 8}, {"U[3]", 4}, {"Z", 16}},
       {{"levels", 4}, {"layers", 2}}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.file);
    const auto set = WeightSet::open(kModels / c.file);
    const auto matches = recognise(set, patterns());
    REQUIRE(!matches.empty());
    CAPTURE(explain(set, matches));
    CHECK(matches[0].exact());
    CHECK(matches[0].score == 1);
    CHECK(matches[0].component == c.component);
    CHECK(matches[0].layout == c.layout);
    for (const auto& [key, size] : c.some_sizes) {
      CAPTURE(key);
      CHECK(matches[0].dimensions.sizes.at(key) == size);
    }
    for (const auto& [key, count] : c.some_counts) {
      CAPTURE(key);
      CHECK(matches[0].dimensions.counts.at(key) == count);
    }
    CHECK(contains(explain(set, matches), std::string("is ") + c.component));
  }
}

TEST_CASE("Omni is near the plain transformer, not it") {
  const auto set = WeightSet::open(kModels / "omni/diffusers.safetensors");
  const auto matches = recognise(set, patterns());
  REQUIRE(!matches.empty());
  CHECK(matches[0].component == "z_image");
  CHECK(!matches[0].exact());
  CHECK(matches[0].missing.empty());
  CHECK(!matches[0].unexpected.empty());
  for (const std::string& name : matches[0].unexpected) CHECK(name.starts_with("siglip_"));
  CHECK(contains(explain(set, matches), "Omni"));
  CHECK(contains(explain(set, matches), "unexpected: siglip_embedder.0.weight"));
}

TEST_CASE("foreign files are told by their family") {
  struct Case {
    const char* file;
    const char* family;
  };
  const Case cases[] = {
      {"controlnet/model.safetensors", "ControlNet for Z-Image"},
      {"lora/peft.safetensors", "LoRA in PEFT"},
      {"lora/peft_default.safetensors", "LoRA in PEFT"},
      {"lora/diffusion_model.safetensors", "LoRA in PEFT"},
      {"lora/transformer.safetensors", "LoRA in PEFT"},
      {"lora/kohya.safetensors", "LoRA in kohya"},
      {"lora/up_down_alpha.safetensors", "LoRA with down and up"},
      {"lora/comfy_fused_qkv.safetensors", "LoRA with down and up"},
      {"lora/lokr.safetensors", "LoKr"},
      {"lora/loha.safetensors", "LoHa"},
      {"lora/dora.safetensors", "DoRA"},
      {"lora/full.safetensors", "full differences"},
      {"dinov3/model.safetensors", "DINOv3"},
      {"siglip2_428m/model.safetensors", "SigLIP"},
      {"siglip2_g384/model.safetensors", "SigLIP"},
      {"image2lora_v1/model.safetensors", "i2L v1"},
      {"image2lora_v2/model.safetensors", "i2L v2"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.file);
    const auto set = WeightSet::open(kModels / c.file);
    const auto matches = recognise(set, patterns());
    for (const Match& match : matches) CHECK(!match.exact());
    CHECK(contains(foreign_family(set), c.family));
    CHECK(contains(explain(set, matches), "which no known component reads"));
  }
  const TemporaryFolder folder;
  CHECK(contains(foreign_family(from_names(folder, {"double_blocks.0.img_attn.qkv.weight",
                                                    "single_blocks.0.linear1.weight"})),
                 "a FLUX transformer"));
  CHECK(contains(
      foreign_family(from_names(folder, {"model.diffusion_model.input_blocks.0.0.weight",
                                         "cond_stage_model.transformer.x", "first_stage_model.y"})),
      "Stable Diffusion 1 or 2"));
}

TEST_CASE("a file like nothing known says so") {
  const TemporaryFolder folder;
  const auto set = from_names(folder, {"x", "y"});
  const auto matches = recognise(set, patterns());
  CHECK(matches.empty());
  CHECK(contains(explain(set, matches), "is no known component; its 2 tensors begin with \"x\""));
}

TEST_CASE("a near match tells what is missing, unexpected and wrongly shaped") {
  const TemporaryFolder folder;
  const auto whole = WeightSet::open(kModels / "dit_small/diffusers.safetensors");
  const auto set = edited(whole, folder, [](std::vector<NamedTensor>& tensors) {
    for (NamedTensor& tensor : tensors) {
      if (tensor.name == "x_pad_token") tensor.name = "y_pad_token";
      if (tensor.name == "layers.0.attention.to_q.weight") tensor.view.shape = {16, 64};
    }
  });
  const Match found = match(set, patterns()[0]);
  CHECK(!found.exact());
  CHECK(found.missing == std::vector<std::string>{"x_pad_token"});
  CHECK(found.unexpected == std::vector<std::string>{"y_pad_token"});
  REQUIRE(found.wrong_shapes.size() == 1);
  CHECK(found.wrong_shapes[0].expected == Shape{32, 32});
  CHECK(found.present == found.expected - 2);
  CHECK(contains(explain(set, std::span(&found, 1)),
                 "tensor \"layers.0.attention.to_q.weight\" is [16, 64], expected [32, 32]"));
}

TEST_CASE("optional tensors may be there, tensors beside a prefix are somebody else's") {
  const TemporaryFolder folder;
  const std::vector<std::byte> data(1000 * 48 * 2);
  const auto encoder = edited(
      WeightSet::open(kModels / "text_encoder/model.safetensors"), folder,
      [&](std::vector<NamedTensor>& tensors) {
        std::erase_if(tensors, [](const NamedTensor& t) { return t.name == "model.norm.weight"; });
        tensors.push_back({"lm_head.weight", {DType::BF16, {1000, 48}, data, nullptr}});
      });
  CHECK(match(encoder, patterns()[1]).exact());

  const auto combined =
      edited(WeightSet::open(kModels / "dit_small/comfy_prefixed.safetensors"), folder,
             [&](std::vector<NamedTensor>& tensors) {
               tensors.push_back({"vae.something", {DType::U8, {1}, {data.data(), 1}, nullptr}});
               tensors.push_back({"model.diffusion_model.norm_final.weight",
                                  {DType::U8, {1}, {data.data(), 1}, nullptr}});
             });
  CHECK(match(combined, patterns()[0]).exact());
}

TEST_CASE("a conditional tensor must be there exactly when its condition holds") {
  const TemporaryFolder folder;
  const auto vae = WeightSet::open(kModels / "vae");
  const std::string name = "encoder.down_blocks.1.resnets.0.conv_shortcut.weight";
  const auto less = edited(vae, folder, [&](std::vector<NamedTensor>& tensors) {
    std::erase_if(tensors, [&](const NamedTensor& tensor) { return tensor.name == name; });
  });
  CHECK(match(less, patterns()[2]).missing == std::vector<std::string>{name});
  const std::string extra = "encoder.down_blocks.3.resnets.0.conv_shortcut.bias";
  const auto more = edited(vae, folder, [&](std::vector<NamedTensor>& tensors) {
    tensors.push_back({extra, vae.view(*vae.find("encoder.down_blocks.3.resnets.0.conv1.bias"))});
  });
  CHECK(match(more, patterns()[2]).unexpected == std::vector<std::string>{extra});
}

TEST_CASE("hostile names cost neither memory nor time") {
  const TemporaryFolder folder;
  const auto set =
      from_names(folder, {"layers.999999999.attention.to_q.weight", "layers.99999999999999999999.x",
                          "layers.00.attention.to_q.weight", std::string(4000, 'a'),
                          "encoder.down_blocks.99999999.resnets.99999999.norm1.weight",
                          "decoder.up.99999999999999999999.block.0.conv1.weight",
                          "encoder.down.0.block.0.norm1.weight"});
  for (const Match& match : recognise(set, patterns())) {
    CHECK(!match.exact());
    CHECK(match.missing.size() < 20'000);
  }
}

TEST_CASE("a damaged file is either refused or read, never worse") {
  const TemporaryFolder folder;
  uint64_t state = 1;
  const auto random = [&state](size_t limit) {  // Knuth's MMIX generator
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<size_t>(state >> 33) % limit;
  };
  for (const char* file : {"dit_small/comfy.gguf", "dit_small/comfy.safetensors"}) {
    CAPTURE(file);
    const auto mapping = base::MappedFile::open(kModels / file);
    const std::string whole(reinterpret_cast<const char*>(mapping->bytes().data()),
                            mapping->bytes().size());
    const auto path = folder.path / ("damaged" + std::filesystem::path(file).extension().string());
    size_t refused = 0;
    for (int round = 0; round < 300; ++round) {
      std::string damaged = whole;
      for (size_t n = random(4) + 1; n > 0; --n) damaged[random(4000)] ^= char(1 << random(8));
      if (round % 10 == 0) damaged.resize(random(damaged.size()));
      write_text(path, damaged);
      const auto found = error_of([&] {
        const auto set = WeightSet::open(path);
        inspect_json(set, patterns()).dump();
        for (const TensorInfo& tensor : set.tensors()) {
          if (tensor.dtype != DType::C64) materialize(set.view(tensor), DType::BF16);
        }
      });
      refused += found.first != Status::Ok;
    }
    CHECK(refused > 100);
  }
}

TEST_CASE("inspection lists files, tensors, totals and matches") {
  const auto set = WeightSet::open(kModels / "dit_small/comfy.gguf");
  const auto json = inspect_json(set, patterns());
  CHECK(json["files"][0]["format"] == "gguf");
  CHECK(json["total"]["tensors"] == set.tensors().size());
  CHECK(json["tensors"].size() == set.tensors().size());
  CHECK(json["dtypes"]["Q8_0"]["tensors"] > 0);
  CHECK(json["metadata"]["general.architecture"] == "lumina2");
  CHECK(json["structure_hash"].get<std::string>().size() == 32);
  CHECK(json["matches"][0]["component"] == "z_image");
  CHECK(json["matches"][0]["layout"] == "comfy");
  CHECK(json["matches"][0]["exact"] == true);
  CHECK(json["matches"][0]["counts"]["n_layers"] == 1);
  CHECK(contains(json["summary"], "comfy.gguf: is z_image"));
}
