// The Qwen3 text encoder through its plugin.
#include <doctest/doctest.h>

#include "gesso/kind/text_encoder.h"
#include "plugin_host.hpp"

using namespace golden;
using gesso::Error;

namespace {

class TextEncoder {
 public:
  explicit TextEncoder(const Case& c, bool bf16 = false, gesso::ValueList values = {})
      : weights(c.weights("text_encoder"), bf16),
        component("qwen3", "org.gesso.qwen3.text_encoder") {
    add_config(values, c.config("text_encoder"));
    component.prepare(values, &weights);
  }
  std::vector<std::vector<float>> run(const std::vector<std::vector<int64_t>>& prompts) {
    TestCall call;
    std::vector<gesso::Tensor> ids;
    std::vector<gesso::Input> inputs;
    for (const auto& prompt : prompts) {
      ids.push_back(id_tensor(prompt));
      inputs.push_back(
          {GESSO_PORT_TOKEN_IDS, static_cast<int32_t>(inputs.size()), ids.back().get()});
    }
    std::vector<std::vector<float>> found;
    for (const auto& output :
         gesso::ModuleRef(component.get()).run(&call.raw, GESSO_OP_ENCODE, inputs)) {
      found.push_back(floats_of(output.tensor.dl()));
    }
    CHECK(weights.entered_now() == 0);
    return found;
  }

  MemoryWeights weights;
  PluginComponent component;
};

/// The real tokens of each prompt of a case.
std::vector<std::vector<int64_t>> prompts_of(const Case& c) {
  const auto ids = c.inputs.at("input_ids").integers();
  const auto mask = c.inputs.at("attention_mask").integers();
  const int64_t length = c.inputs.at("input_ids").shape[1];
  std::vector<std::vector<int64_t>> prompts(ids.size() / length);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (mask[i]) prompts[i / length].push_back(ids[i]);
  }
  return prompts;
}

}  // namespace

TEST_CASE("hidden states equal the goldens") {
  for (const char* name :
       {"text_encoder/lengths_1", "text_encoder/lengths_3_17_33",
        "text_encoder/lengths_3_17_33_bf16_inv_freq", "text_encoder/lengths_512_40"}) {
    const Case c(name);
    gesso::ValueList values;
    values.set_text("rope_inv_freq",
                    c.json["params"]["rope_inv_freq"] == "bfloat16" ? "bf16" : "f32");
    const auto found = TextEncoder(c, false, std::move(values)).run(prompts_of(c));
    for (size_t i = 0; i < found.size(); ++i)
      c.check("prompt_embeds." + std::to_string(i), found[i]);
  }
}

TEST_CASE("several prompts give what each gives alone, bit for bit") {
  const Case c("text_encoder/lengths_3_17_33");
  for (const bool bf16 : {false, true}) {
    TextEncoder encoder(c, bf16);
    const auto prompts = prompts_of(c);
    const auto together = encoder.run(prompts);
    for (size_t i = 0; i < prompts.size(); ++i) CHECK(together[i] == encoder.run({prompts[i]})[0]);
  }
}

TEST_CASE("the last layer is neither declared nor needed") {
  const Case c("text_encoder/lengths_3_17_33");
  TextEncoder encoder(c);
  CHECK(encoder.weights.declares_weight("model.layers.1.mlp.up_proj.weight"));
  CHECK(!encoder.weights.declares_weight("model.layers.2.mlp.up_proj.weight"));
  CHECK(!encoder.weights.declares_weight("model.norm.weight"));
}

TEST_CASE("ids outside the vocabulary are refused, or wrapped on request") {
  const Case c("text_encoder/lengths_1");
  TextEncoder strict(c);
  CHECK_THROWS_WITH_AS(strict.run({{5, 1000}}), doctest::Contains("from 0 to 999"), Error);
  CHECK_THROWS_WITH_AS(strict.run({{-1}}), doctest::Contains("found -1"), Error);
  CHECK_THROWS_WITH_AS(strict.run({{}}), doctest::Contains("one id at least"), Error);
  gesso::ValueList values;
  values.set_boolean("token_ids_modulo_vocab", true);
  TextEncoder wrapping(c, false, std::move(values));
  CHECK(wrapping.run({{2005, 1007}}) == strict.run({{5, 7}}));
}

TEST_CASE("unknown words for rope_inv_freq are refused") {
  const Case c("text_encoder/lengths_1");
  gesso::ValueList values;
  values.set_text("rope_inv_freq", "f16");
  CHECK_THROWS_WITH_AS(TextEncoder(c, false, std::move(values)), doctest::Contains("f16"), Error);
}
