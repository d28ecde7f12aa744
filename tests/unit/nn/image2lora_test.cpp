// Image-to-LoRA through its plugins: what goes wrong. Its numbers are golden cases.
#include <doctest/doctest.h>

#include "gesso/kind/codec.h"
#include "gesso/kind/delta_generator.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "plugin_host.hpp"

using namespace golden;
using gesso::Error;
using gesso::Tensor;

namespace {

constexpr const char* kV1 = "i2l/decode_v1_1_image";
constexpr const char* kV2 = "i2l/decode_v2_1_image";
constexpr int64_t kWidth = 72;  // features of the golden models

class Generator {
 public:
  explicit Generator(const std::string& case_name)
      : golden(case_name),
        weights(golden.weights("image2lora"), false),
        component(plugin(), "org.gesso." + plugin() + ".generator") {}

  void prepare() {
    gesso::ValueList values;
    values.set_integer("config.rank", rank);
    component.prepare(values, &weights);
  }
  std::vector<gesso::Output> generate(const std::vector<Tensor>& features,
                                      TestCall* call = nullptr) {
    TestCall own;
    std::vector<gesso::Input> inputs;
    for (const Tensor& one : features) {
      inputs.push_back({GESSO_PORT_FEATURES, static_cast<int32_t>(inputs.size()), one.get()});
    }
    return gesso::ModuleRef(component.get())
        .run(&(call ? call : &own)->raw, GESSO_OP_GENERATE, inputs);
  }
  uint64_t target_count() {
    const gesso_target_t* targets = nullptr;
    uint64_t count = 0;
    gesso::ErrorText text;
    gesso::check(component.interface<gesso_delta_generator_t>(GESSO_DELTA_GENERATOR_ID)
                     .targets(component.get()->self, &targets, &count, &text.error),
                 text);
    return count;
  }

  Case golden;
  MemoryWeights weights;
  PluginComponent component;
  int64_t rank = 2;

 private:
  std::string plugin() const {
    return golden.json["params"]["version"] == 2 ? "z_image_i2l_v2" : "z_image_i2l";
  }
};

std::vector<Tensor> pictures(size_t count, int64_t width = kWidth) {
  std::vector<Tensor> list;
  for (size_t i = 0; i < count; ++i) {
    const auto value = 0.5f + static_cast<float>(i);
    list.push_back(float_tensor(std::vector<float>(static_cast<size_t>(width), value), {width}));
  }
  return list;
}

}  // namespace

TEST_CASE("features of another width are refused") {
  for (const char* name : {kV1, kV2}) {
    Generator generator(name);
    generator.prepare();
    CHECK_THROWS_WITH_AS(generator.generate(pictures(1, 70)),
                         doctest::Contains("expected [72], found [70]"), Error);
  }
}

TEST_CASE("no picture makes no LoRA") {
  Generator generator(kV1);
  generator.prepare();
  CHECK_THROWS_WITH_AS(generator.generate({}),
                       doctest::Contains("\"features\": expected one tensor at least"), Error);
}

TEST_CASE("a missing weight is named") {
  Generator v1(kV1), v2(kV2);
  v1.weights.erase("layers_lora.blocks.1.layers.2.proj_b.proj_out.weight");
  CHECK_THROWS_WITH_AS(v1.prepare(), doctest::Contains("blocks.1.layers.2.proj_b.proj_out"), Error);
  v2.weights.erase("module_dict.layers___1___feed_forward___w2.proj.bias");
  CHECK_THROWS_WITH_AS(v2.prepare(), doctest::Contains("layers___1___feed_forward___w2.proj.bias"),
                       Error);
}

TEST_CASE("an attention without its feed-forward is refused") {
  Generator generator(kV1);
  generator.weights.erase("layers_lora.blocks.5.layers.0.proj_a.proj_in.weight");
  CHECK_THROWS_WITH_AS(generator.prepare(), doctest::Contains("found 5 in all"), Error);
}

TEST_CASE("a rank that the weights do not divide by is refused") {
  Generator generator(kV1);
  generator.rank = 3;
  CHECK_THROWS_WITH_AS(generator.prepare(), doctest::Contains("rank 3 does not divide"), Error);
}

TEST_CASE("weights of another model are refused") {
  Generator generator(kV1);
  MemoryWeights others(Case(kV2).weights("image2lora"), false);
  CHECK_THROWS_WITH_AS(generator.component.prepare({}, &others),
                       doctest::Contains("is it an image-to-LoRA model"), Error);
}

TEST_CASE("without weights there are no targets and no LoRA") {
  Generator generator(kV1);
  generator.component.prepare();
  CHECK(generator.target_count() == 0);
  CHECK_THROWS_WITH_AS(generator.generate(pictures(1)), doctest::Contains("no weights file"),
                       Error);
}

TEST_CASE("v2 uses the first picture and says so") {
  Generator generator(kV2);
  generator.prepare();
  const auto one = generator.generate(pictures(1));
  CHECK(generator.component.warnings.empty());
  const auto two = generator.generate(pictures(2));
  REQUIRE(generator.component.warnings.size() == 1);
  CHECK(generator.component.warnings[0].find("the first of 2") != std::string::npos);
  REQUIRE(one.size() == 2 * generator.target_count());
  REQUIRE(two.size() == one.size());
  for (size_t i = 0; i < one.size(); ++i) {
    CHECK(floats_of(two[i].tensor.dl()) == floats_of(one[i].tensor.dl()));
  }
}

TEST_CASE("cancel is heard between targets") {
  Generator generator(kV1);
  generator.prepare();
  TestCall call;
  call.polls_left = 5;
  CHECK_THROWS_AS(generator.generate(pictures(1), &call), Error);
  CHECK(generator.weights.entered_now() == 0);
  CHECK(generator.generate(pictures(1)).size() == 2 * generator.target_count());
}

TEST_CASE("a missing image encoder is named by its role") {
  Generator generator(kV1);
  generator.prepare();
  TestCall call;
  const Tensor pixels = float_tensor(std::vector<float>(3 * 64), {3, 8, 8});
  CHECK_THROWS_WITH_AS(gesso::ModuleRef(generator.component.get())
                           .run(&call.raw, GESSO_OP_ENCODE, {{GESSO_PORT_PIXELS, 0, pixels.get()}}),
                       doctest::Contains("[components.siglip2_image_encoder]"), Error);
}
