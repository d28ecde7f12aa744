// The FLUX autoencoder through its plugin.
#include <doctest/doctest.h>

#include <algorithm>

#include "gesso/kind/codec.h"
#include "gesso/kind/text_encoder.h"
#include "plugin_host.hpp"

using namespace golden;
using gesso::Error;
using gesso::Tensor;

namespace {

class Codec {
 public:
  explicit Codec(const Case& c, bool bf16 = false, gesso::ValueList values = {})
      : weights(c.weights("vae"), bf16), component("flux_vae", "org.gesso.flux_vae.codec") {
    add_config(values, c.config("vae"));
    component.prepare(values, &weights);
  }
  std::vector<std::vector<float>> run(const char* op, const std::vector<Tensor>& items,
                                      const gesso::ValueList& values = {},
                                      TestCall* call = nullptr) {
    TestCall own;
    const char* port = op == std::string(GESSO_OP_ENCODE) ? GESSO_PORT_PIXELS : GESSO_PORT_LATENTS;
    std::vector<gesso::Input> inputs;
    for (size_t i = 0; i < items.size(); ++i) {
      inputs.push_back({port, static_cast<int32_t>(i), items[i].get()});
    }
    std::vector<std::vector<float>> found;
    for (const auto& output :
         gesso::ModuleRef(component.get()).run(&(call ? call : &own)->raw, op, inputs, values)) {
      shape.assign(output.tensor.dl().shape, output.tensor.dl().shape + 3);
      found.push_back(floats_of(output.tensor.dl()));
    }
    return found;
  }
  std::vector<float> run(const char* op, Tensor item, const gesso::ValueList& values = {}) {
    std::vector<Tensor> items;
    items.push_back(std::move(item));
    return run(op, items, values)[0];
  }

  MemoryWeights weights;
  PluginComponent component;
  std::vector<int64_t> shape;  // of the last result
};

gesso::ValueList tiles(int64_t size, int64_t stride) {
  gesso::ValueList values;
  values.set_boolean("tiled", true)
      .set_integer("tile_size", size)
      .set_integer("tile_stride", stride);
  return values;
}

gesso::ValueList tiling_of(const Case& c) {
  const auto params = c.json.value("params", nlohmann::json::object());
  return params.value("tiled", false) ? tiles(params["tile_size"], params["tile_stride"])
                                      : gesso::ValueList();
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(double{a[i]} - b[i]));
  return worst;
}

}  // namespace

TEST_CASE("decoded pictures equal the goldens") {
  for (const char* name :
       {"vae/decode_8x8_diffusers", "vae/decode_6x11_diffusers", "vae/decode_8x12_tiled"}) {
    const Case c(name);
    c.check("image",
            Codec(c).run(GESSO_OP_DECODE, tensor_of(c.inputs.at("latents"), true), tiling_of(c)));
  }
}

TEST_CASE("encoded latents equal the goldens") {
  for (const char* name :
       {"vae/encode_64x48_diffusers", "vae/encode_32x80_diffusers", "vae/encode_64x96_tiled"}) {
    const Case c(name);
    c.check("latents",
            Codec(c).run(GESSO_OP_ENCODE, tensor_of(c.inputs.at("image"), true), tiling_of(c)));
  }
}

TEST_CASE("bf16 weights give nearly the same picture") {
  const Case c("vae/decode_8x8_diffusers");
  const auto wide = Codec(c).run(GESSO_OP_DECODE, tensor_of(c.inputs.at("latents"), true));
  const auto half = Codec(c, true).run(GESSO_OP_DECODE, tensor_of(c.inputs.at("latents"), true));
  CHECK(largest_difference(wide, half) < 0.05);
}

TEST_CASE("items of a batch are independent") {
  const Case c("vae/decode_6x11_diffusers");
  Codec codec(c);
  const Case other("vae/decode_8x8_diffusers");
  std::vector<Tensor> items;
  items.push_back(tensor_of(c.inputs.at("latents"), true));
  items.push_back(tensor_of(other.inputs.at("latents"), true));
  const auto both = codec.run(GESSO_OP_DECODE, items);
  c.check("image", both[0]);
  other.check("image", both[1]);
}

TEST_CASE("tiles cover sizes that their stride does not divide") {
  const Case c("vae/decode_6x11_diffusers");
  Codec codec(c);
  const auto whole = codec.run(GESSO_OP_DECODE, tensor_of(c.inputs.at("latents"), true));
  const auto tiled =
      codec.run(GESSO_OP_DECODE, tensor_of(c.inputs.at("latents"), true), tiles(4, 3));
  CHECK(codec.shape == std::vector<int64_t>{3, 48, 88});
  for (const float v : tiled) REQUIRE(v == v);
  // Tiles see less of the picture; with random weights they only have to be of the same kind.
  CHECK(largest_difference(whole, tiled) < 4.0);
  const auto one_tile =
      codec.run(GESSO_OP_DECODE, tensor_of(c.inputs.at("latents"), true), tiles(64, 32));
  CHECK(largest_difference(whole, one_tile) < 1e-5);
}

TEST_CASE("geometry is told") {
  const Case c("vae/decode_8x8_diffusers");
  Codec codec(c);
  uint32_t channels = 0, pixels = 0;
  codec.component.interface<gesso_codec_t>(GESSO_CODEC_ID)
      .geometry(codec.component.get()->self, &channels, &pixels);
  CHECK(channels == 16);
  CHECK(pixels == 8);
}

TEST_CASE("a preview comes from the config, else from what is known of FLUX.1") {
  const Case c("vae/decode_8x8_diffusers");
  std::vector<float> weight(48), bias(3);
  {
    Codec codec(c);
    const auto& table = codec.component.interface<gesso_codec_t>(GESSO_CODEC_ID);
    CHECK(table.preview(codec.component.get()->self, weight.data(), bias.data()) == 1);
    CHECK(weight[0] == doctest::Approx(-0.0346));
  }
  gesso::ValueList values;
  values.set_reals("config.latent_rgb.weight", std::vector<double>(48, 0.5));
  Codec codec(c, false, std::move(values));
  const auto& table = codec.component.interface<gesso_codec_t>(GESSO_CODEC_ID);
  CHECK(table.preview(codec.component.get()->self, weight.data(), bias.data()) == 1);
  CHECK(weight[47] == 0.5f);
  CHECK(bias[0] == 0.0f);
  gesso::ValueList few;
  few.set_reals("config.latent_rgb.weight", {1.0});
  CHECK_THROWS_WITH_AS(Codec(c, false, std::move(few)), doctest::Contains("48 weights"), Error);
}

TEST_CASE("cancel is heard between blocks") {
  const Case c("vae/decode_8x8_diffusers");
  Codec codec(c);
  std::vector<Tensor> items;
  items.push_back(tensor_of(c.inputs.at("latents"), true));
  TestCall call;
  call.polls_left = 7;
  CHECK_THROWS_AS(codec.run(GESSO_OP_DECODE, items, {}, &call), Error);
  CHECK(codec.weights.entered_now() == 0);
  c.check("image", codec.run(GESSO_OP_DECODE, items)[0]);
}

TEST_CASE("a file with one half serves that half") {
  const Case c("vae/decode_8x8_diffusers");
  Arrays arrays = c.weights("vae");
  std::erase_if(arrays, [](const auto& entry) { return entry.first.starts_with("encoder."); });
  MemoryWeights weights(arrays, false);
  PluginComponent component("flux_vae", "org.gesso.flux_vae.codec");
  gesso::ValueList values;
  add_config(values, c.config("vae"));
  component.prepare(values, &weights);
  TestCall call;
  const Tensor pixels = float_tensor(std::vector<float>(3 * 64), {3, 8, 8});
  CHECK_THROWS_WITH_AS(gesso::ModuleRef(component.get())
                           .run(&call.raw, GESSO_OP_ENCODE, {{GESSO_PORT_PIXELS, 0, pixels.get()}}),
                       doctest::Contains("no half"), Error);
}

TEST_CASE("sizes that do not fit are refused") {
  const Case c("vae/encode_64x48_diffusers");
  Codec codec(c);
  const auto zeros = [](std::vector<int64_t> shape) {
    return float_tensor(std::vector<float>(shape[0] * shape[1] * shape[2]), shape);
  };
  CHECK_THROWS_WITH_AS(codec.run(GESSO_OP_ENCODE, zeros({3, 20, 16})),
                       doctest::Contains("multiples of 8"), Error);
  CHECK_THROWS_WITH_AS(codec.run(GESSO_OP_DECODE, zeros({4, 8, 8})),
                       doctest::Contains("[16, H, W]"), Error);
  CHECK_THROWS_WITH_AS(codec.run(GESSO_OP_ENCODE, zeros({3, 16, 16}), tiles(12, 8)),
                       doctest::Contains("tile_size"), Error);
  CHECK_THROWS_WITH_AS(codec.run(GESSO_OP_DECODE, zeros({16, 8, 8}), tiles(4, 5)),
                       doctest::Contains("tile_stride"), Error);
}
