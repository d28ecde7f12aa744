#include <cmath>

#include "engine/weights/convert.hpp"
#include "engine/weights/diff.hpp"
#include "engine/weights/lora_file.hpp"
#include "engine/weights/weight_set.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

const auto kNothing = [](uint64_t, uint64_t, const std::string&) {};

TensorView matrix(const std::vector<float>& values, int64_t rows, DType type = DType::F32) {
  const auto kept = std::make_shared<std::vector<float>>(values);
  const TensorView view{DType::F32,
                        {rows, static_cast<int64_t>(values.size()) / rows},
                        std::as_bytes(std::span(*kept)),
                        kept};
  return materialize(view, type);
}

std::vector<float> floats(const TensorView& view) {
  const TensorView wide = float_values(view);
  const auto* first = reinterpret_cast<const float*>(wide.bytes.data());
  return {first, first + wide.elements()};
}

std::vector<float> floats(const WeightSet& set, const std::string& name) {
  const TensorInfo* tensor = set.find(name);
  REQUIRE_MESSAGE(tensor, name);
  return floats(set.view(*tensor));
}

}  // namespace

TEST_CASE("the dialect of a LoRA is told by its names, one with a prefix before one without") {
  const auto dialect = [](std::vector<std::string> names) {
    const LoraDialect* found = lora_dialect_of(names);
    return std::string(found ? found->name : "none");
  };
  CHECK(dialect({"a.b.lora_A.default.weight", "a.b.lora_B.default.weight"}) == "diffsynth");
  CHECK(dialect({"a.b.lora_A.weight", "a.b.alpha"}) == "bare");
  CHECK(dialect({"base_model.model.a.b.lora_A.weight"}) == "peft");
  CHECK(dialect({"transformer.a.b.lora_A.weight"}) == "diffusers");
  CHECK(dialect({"diffusion_model.a.b.lora_B.weight"}) == "diffusion_model");
  CHECK(dialect({"diffusion_model.a.b.lora_up.weight", "diffusion_model.a.b.alpha"}) == "comfy");
  CHECK(dialect({"lora_unet_a_b.lora_up.weight", "lora_unet_a_b.alpha"}) == "kohya");
  CHECK(dialect({"a.b.lora_up.weight"}) == "lora_down");
  CHECK(dialect({"a.b.lora_up.weight", "a.b.lora_A.weight"}) == "none");
  CHECK(dialect({"a.b.hada_w1_a"}) == "none");
  CHECK(dialect({}) == "none");
  CHECK(contains(error_of([] { find_lora_dialect("kohia"); }).second, "did you mean \"kohya\"?"));
}

TEST_CASE("the weights that a component may have reach as far as the names of a file") {
  const std::vector<std::string> names{"layers.11.attention.to_q.lora_A.weight"};
  size_t layers = 0;
  for (const NamedShape& weight : possible_weights(z_image_pattern(), names)) {
    if (weight.name.ends_with(".attention.to_q.weight") && weight.name.starts_with("layers.")) {
      ++layers;
      CHECK(is_lora_target(weight));
    }
  }
  CHECK(layers == 12);
  const std::vector<std::string> hostile{"layers.99999999999999999999999.x.lora_A.weight"};
  CHECK(possible_weights(z_image_pattern(), hostile).size() < 100'000);
}

TEST_CASE("updates of one weight stand side by side; different scales go into the up parts") {
  const LowRankUpdate one{"m", matrix({1, 2, 3}, 1), matrix({1, 2}, 2), 0.5};
  const LowRankUpdate other{"m", matrix({4, 5, 6, 7, 8, 9}, 2), matrix({1, 0, 0, 1}, 2), 0.5};
  const LoraModule same = concatenated({one, other}, DType::F32);
  CHECK(same.rank == 3);
  CHECK(same.scale == 0.5);
  CHECK(!same.rounded);
  CHECK(floats(same.make().down) == std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(floats(same.make().up) == std::vector<float>{1, 1, 0, 2, 0, 1});

  LowRankUpdate third = other;
  third.scale = 0.75;
  const LoraModule mixed = concatenated({one, third}, DType::F32);
  CHECK(mixed.scale == 1);
  CHECK(mixed.rounded);
  CHECK(floats(mixed.make().up) == std::vector<float>{0.5, 0.75, 0, 1, 0, 0.75});

  LowRankUpdate wrong = other;
  wrong.down = matrix({1, 2}, 1);
  wrong.up = matrix({1, 2}, 2);
  CHECK(error_of([&] { concatenated({one, wrong}, DType::F32); }).first == Status::Incompatible);
  CHECK(common_type({one}) == DType::F32);
  CHECK(common_type({{"m", matrix({1}, 1, DType::BF16), matrix({1}, 1, DType::BF16), 1}}) ==
        DType::BF16);
}

TEST_CASE("alpha is noted as the dialect wants it") {
  const TemporaryFolder folder;
  const auto pattern = z_image_pattern();
  const std::vector<std::string> names{"layers.1"};
  const auto canonical = possible_weights(pattern, names);
  const std::string module = "layers.1.feed_forward.w2";
  const auto written = [&](const char* dialect, double scale) {
    const auto path = folder.path / "a.safetensors";
    const LoraNames as(find_lora_dialect(dialect), pattern, canonical, /*text=*/false);
    const LowRankUpdate update{module, matrix({1, 2, 3, 4}, 2), matrix({3, 0, 0, 3}, 2), scale};
    const auto result =
        write_lora(path, {concatenated({update}, DType::F32)}, as, {{"k", "v"}}, kNothing);
    CHECK(result.modules == 1);
    return std::pair(WeightSet::open(path), result.rounded);
  };
  CHECK(floats(written("kohya", 1).first, "lora_unet_layers_1_feed_forward_w2.alpha") ==
        std::vector<float>{2});
  CHECK(written("diffsynth", 1).first.tensors().size() == 2);
  CHECK(floats(written("diffsynth", 0.25).first, module + ".alpha") == std::vector<float>{0.5});
  const auto [folded, rounded] = written("diffusers", 1.0 / 3);
  CHECK(rounded == 1);
  CHECK(folded.tensors().size() == 2);
  CHECK(floats(folded, "transformer." + module + ".lora_B.weight") ==
        std::vector<float>{1, 0, 0, 1});
  CHECK(written("diffusers", 0.25).second == 0);  // a power of two is exact
  CHECK(folded.metadata().at("k") == "v");
  CHECK(error_of([&] {
          LoraNames(find_lora_dialect("comfy"), pattern, canonical, /*text=*/true);
        }).first == Status::NotSupported);
}

TEST_CASE("weights with other nested blocks are not the same, whatever their bytes") {
  StoredWeight a(matrix({1, 2, 3, 4}, 2));
  a.encoding = Encoding::Table4;
  StoredWeight b = a;
  CHECK(same_bits(a, b));
  b.nested_block = a.nested_block / 2;
  CHECK(!same_bits(a, b));
}
