// The composer through its plugin, beside a tokenizer of bytes and an encoder that returns its ids.
#include <doctest/doctest.h>

#include <algorithm>

#include "gesso/kind/composer.h"
#include "gesso/kind/text_encoder.h"
#include "plugin_host.hpp"

using namespace golden;
using gesso::Error;

namespace {

class ByteTokenizer : public gesso::Component<ByteTokenizer, gesso::TokenizerInterface> {
 public:
  static constexpr gesso::Info info{"test.bytes", "tokenizer", "Bytes", "1", "one id per byte"};
  std::vector<int32_t> encode(std::string_view text) { return {text.begin(), text.end()}; }
  std::string decode(std::span<const int32_t> ids) { return {ids.begin(), ids.end()}; }
  std::optional<int32_t> token_id(std::string_view) { return std::nullopt; }
  uint64_t vocab_size() { return 256; }
};

class EchoEncoder : public gesso::Component<EchoEncoder, gesso::ModuleInterface> {
 public:
  static constexpr gesso::Info info{"test.echo", "text_encoder", "Echo", "1", "ids as features"};
  static const std::vector<gesso::Op<EchoEncoder>>& ops() {
    static const std::vector<gesso::Op<EchoEncoder>> list{
        {.name = GESSO_OP_ENCODE,
         .inputs = {{GESSO_PORT_TOKEN_IDS, "L", gesso::kPerItem, "i64"}},
         .outputs = {{GESSO_PORT_TEXT, "L D", gesso::kPerItem}},
         .run = &EchoEncoder::encode}};
    return list;
  }
  void encode(const gesso::Call&, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    int32_t item = 0;
    for (const gesso_tensor_t* ids : inputs.list(GESSO_PORT_TOKEN_IDS)) {
      const auto values = gesso::elements<int64_t>(ids->dl_tensor);
      outputs.put(
          GESSO_PORT_TEXT, item++,
          float_tensor({values.begin(), values.end()}, {static_cast<int64_t>(values.size()), 1}));
    }
  }
};

class Composer {
 public:
  Composer() : component("z_image_turbo", "org.gesso.z_image_turbo.composer") {
    component.prepare();
    tokenizer_ = gesso::Instance<ByteTokenizer>::create(nullptr);
    encoder_ = gesso::Instance<EchoEncoder>::create(nullptr);
    component.set_sibling("tokenizer", tokenizer_);
    component.set_sibling("text_encoder", encoder_);
  }
  ~Composer() {
    tokenizer_->destroy(tokenizer_->self);
    encoder_->destroy(encoder_->self);
  }
  /// What each prompt became, read back as text.
  std::vector<std::string> run(const gesso::ValueList& values) {
    TestCall call;
    std::vector<std::string> ids, features;
    for (const auto& output :
         gesso::ModuleRef(component.get()).run(&call.raw, GESSO_OP_COMPOSE, {}, values)) {
      std::string text;
      if (output.port == GESSO_PORT_TOKEN_IDS) {
        for (const int64_t id : gesso::elements<int64_t>(output.tensor.dl())) text += char(id);
        ids.push_back(text);
      } else {
        for (const float v : floats_of(output.tensor.dl())) text += char(v);
        features.push_back(text);
      }
    }
    CHECK(ids == features);
    return ids;
  }
  PluginComponent component;

 private:
  gesso_component_t *tokenizer_, *encoder_;
};

}  // namespace

TEST_CASE("prompts are put in the chat template, the empty one too") {
  Composer composer;
  gesso::ValueList values;
  values.set_texts("prompt", {"a dog", ""});
  const auto texts = composer.run(values);
  REQUIRE(texts.size() == 2);
  CHECK(texts[0] == "<|im_start|>user\na dog<|im_end|>\n<|im_start|>assistant\n");
  CHECK(texts[1] == "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n");
  CHECK(composer.component.warnings.empty());
}

TEST_CASE("a long prompt is cut on the right, with a warning that names both lengths") {
  Composer composer;
  gesso::ValueList values;
  values.set_texts("prompt", {std::string(1000, 'x')});
  const auto texts = composer.run(values);
  CHECK(texts[0] == "<|im_start|>user\n" + std::string(512 - 17, 'x'));
  REQUIRE(composer.component.warnings.size() == 1);
  CHECK(composer.component.warnings[0].find("1050") != std::string::npos);
  CHECK(composer.component.warnings[0].find("512") != std::string::npos);
}

TEST_CASE("max_length can be set") {
  Composer composer;
  gesso::ValueList values;
  values.set_texts("prompt", {"a dog"}).set_integer("max_length", 20);
  CHECK(composer.run(values)[0] == "<|im_start|>user\na d");
  gesso::ValueList none;
  none.set_texts("prompt", {"a dog"}).set_integer("max_length", 0);
  CHECK_THROWS_WITH_AS(composer.run(none), doctest::Contains("max_length"), Error);
}

TEST_CASE("without a prompt, or without siblings, composing is refused") {
  Composer composer;
  CHECK_THROWS_WITH_AS(composer.run({}), doctest::Contains("no prompt"), Error);
  PluginComponent alone("z_image", "org.gesso.z_image.composer");
  alone.prepare();
  TestCall call;
  gesso::ValueList values;
  values.set_texts("prompt", {"a dog"});
  CHECK_THROWS_WITH_AS(gesso::ModuleRef(alone.get()).run(&call.raw, GESSO_OP_COMPOSE, {}, values),
                       doctest::Contains("tokenizer"), Error);
}
