#include "engine/weights/mapped_weights.hpp"

#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

bool same_bytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

/// Llama.cpp's name of a tensor of a Qwen3 model, written down independently of the layout.
std::string llama_cpp_name(std::string name) {
  const std::pair<const char*, const char*> pieces[] = {{"model.embed_tokens", "token_embd"},
                                                        {"model.norm", "output_norm"},
                                                        {"model.layers", "blk"},
                                                        {"self_attn.q_proj", "attn_q"},
                                                        {"self_attn.k_proj", "attn_k"},
                                                        {"self_attn.v_proj", "attn_v"},
                                                        {"self_attn.o_proj", "attn_output"},
                                                        {"self_attn.q_norm", "attn_q_norm"},
                                                        {"self_attn.k_norm", "attn_k_norm"},
                                                        {"mlp.gate_proj", "ffn_gate"},
                                                        {"mlp.up_proj", "ffn_up"},
                                                        {"mlp.down_proj", "ffn_down"},
                                                        {"input_layernorm", "attn_norm"},
                                                        {"post_attention_layernorm", "ffn_norm"}};
  for (const auto& [from, to] : pieces) {
    if (const size_t at = name.find(from); at != std::string::npos) {
      name.replace(at, std::strlen(from), to);
    }
  }
  return name;
}

}  // namespace

TEST_CASE("all layouts of one transformer give the same tensors, without a copy") {
  const auto pattern = z_image_pattern();
  const auto native =
      MappedWeights::open(WeightSet::open(kModels / "dit_small/diffusers.safetensors"), pattern);
  CHECK(native.count() == 58);
  CHECK(native.dimensions().counts.at("n_layers") == 1);
  for (const char* file : {"diffusers_prefixed.safetensors", "comfy.safetensors",
                           "comfy_prefixed.safetensors", "transformer"}) {
    CAPTURE(file);
    const auto set = WeightSet::open(kModels / "dit_small" / file);
    const auto mapped = MappedWeights::open(set, pattern);
    CHECK(mapped.names() == native.names());
    for (const std::string& name : native.names()) {
      CAPTURE(name);
      CHECK(same_bytes(mapped.find(name)->data(), native.find(name)->data()));
      const auto file_bytes = set.files()[0].mapping->bytes();
      if (set.files().size() == 1) {
        CHECK(mapped.find(name)->data().bytes.data() >= file_bytes.data());
        CHECK(mapped.find(name)->data().bytes.data() < file_bytes.data() + file_bytes.size());
      }
    }
  }
}

TEST_CASE("quantised rows are split too and stay near the plain tensors") {
  const auto pattern = z_image_pattern();
  const auto native =
      MappedWeights::open(WeightSet::open(kModels / "dit_small/diffusers.safetensors"), pattern);
  const auto gguf = MappedWeights::open(WeightSet::open(kModels / "dit_small/comfy.gguf"), pattern);
  CHECK(gguf.names() == native.names());
  for (const std::string& name : native.names()) {
    CAPTURE(name);
    const auto a = decode(*gguf.find(name), DType::F32);
    const auto b = decode(*native.find(name), DType::F32);
    REQUIRE(a.shape == b.shape);
    const auto* x = reinterpret_cast<const float*>(a.bytes.data());
    const auto* y = reinterpret_cast<const float*>(b.bytes.data());
    float largest = 0, error = 0;
    for (int64_t i = 0; i < a.elements(); ++i) {
      largest = std::max(largest, std::abs(y[i]));
      error = std::max(error, std::abs(x[i] - y[i]));
    }
    const bool coarse = gguf.find(name)->data().dtype == DType::Q4_0;
    CHECK(error <= largest * (coarse ? 0.13f : 0.005f));  // half a step of 4 and 8 bits
  }
}

TEST_CASE("both layouts of the VAE give the same names; 1x1 convolutions become matrices") {
  const auto pattern = flux_vae_pattern();
  const auto diffusers = MappedWeights::open(WeightSet::open(kModels / "vae"), pattern);
  const auto bfl =
      MappedWeights::open(WeightSet::open(kModels / "vae_bfl/ae.safetensors"), pattern);
  CHECK(diffusers.count() == 244);
  CHECK(bfl.names() == diffusers.names());
  CHECK(bfl.find("encoder.mid_block.attentions.0.to_out.0.weight")->shape == Shape{16, 16});
  CHECK(bfl.find("decoder.up_blocks.3.resnets.0.conv_shortcut.weight")->shape == Shape{4, 8, 1, 1});
  const auto set = WeightSet::open(kModels / "vae_bfl/ae.safetensors");
  CHECK(same_bytes(bfl.find("decoder.up_blocks.0.upsamplers.0.conv.weight")->data(),
                   set.view(*set.find("decoder.up.3.upsample.conv.weight"))));
}

TEST_CASE("a text encoder in llama.cpp naming gives the Hugging Face names") {
  const auto set = WeightSet::open(kModels / "text_encoder/model.safetensors");
  std::string head = gguf_head(set.tensors().size(), 0), data;
  for (const TensorInfo& tensor : set.tensors()) {
    const std::vector<uint64_t> extents(tensor.shape.rbegin(), tensor.shape.rend());
    head += gguf_tensor(llama_cpp_name(tensor.name), extents, 30, data.size());
    const auto bytes = set.view(tensor).bytes;
    data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    data.resize((data.size() + 31) / 32 * 32);
  }
  const TemporaryFolder folder;
  const auto path = write_text(folder.path / "qwen3.gguf", gguf_data(head, 0) + data);
  const auto native = MappedWeights::open(set, qwen3_pattern());
  const auto mapped = MappedWeights::open(WeightSet::open(path), qwen3_pattern());
  CHECK(mapped.match().layout == "llama_cpp");
  REQUIRE(mapped.names() == native.names());
  for (const std::string& name : native.names()) {
    CHECK(same_bytes(mapped.find(name)->data(), native.find(name)->data()));
  }
}

TEST_CASE("weights that do not fit are refused with the reason") {
  const auto lora = WeightSet::open(kModels / "lora/peft.safetensors");
  const auto [status, text] = error_of([&] { MappedWeights::open(lora, z_image_pattern()); });
  CHECK(status == Status::Incompatible);
  CHECK(contains(text, "LoRA"));
  CHECK(contains(text, "expected weights of z_image"));
}

TEST_CASE("views outlive the set and the map; absent names give nothing") {
  std::optional<StoredWeight> view;
  {
    const auto mapped = MappedWeights::open(
        WeightSet::open(kModels / "dit_small/comfy.safetensors"), z_image_pattern());
    view = mapped.find("layers.0.attention.to_k.weight");
    CHECK(!mapped.find("layers.1.attention.to_k.weight"));
    CHECK(contains(mapped.describe(), "comfy.safetensors: layout comfy, 58 tensors"));
  }
  REQUIRE(view);
  CHECK(decode(*view, DType::F32).elements() == 32 * 32);
}

TEST_CASE("without a pattern the names are those of the files") {
  const auto set = WeightSet::open(kModels / "lora/peft.safetensors");
  const auto mapped = MappedWeights::as_stored(set);
  CHECK(mapped.count() == set.tensors().size());
  CHECK(mapped.find(set.tensors()[0].name));
}
