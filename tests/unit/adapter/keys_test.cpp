// Names of tensors in LoRA files: what they are, and which weights they mean.
#include <doctest/doctest.h>

#include <array>

#include "adapter/modules.hpp"

using namespace gesso;
using namespace gesso::adapter;

namespace {

const std::array<gesso_target_t, 6> kTargets{{{"layers.0.attention.to_q", 8, 8},
                                              {"layers.0.attention.to_k", 8, 8},
                                              {"layers.0.attention.to_v", 8, 8},
                                              {"layers.0.attention.to_out.0", 8, 8},
                                              {"context_refiner.0.feed_forward.w1", 20, 8},
                                              {"all_final_layer.2-1.linear", 4, 8}}};

std::string part_of(std::string_view name) {
  const auto key = split_key(name);
  return key ? key->module + " | " + key->part : "nothing";
}

std::vector<uint32_t> found(const std::string& module) {
  std::vector<uint32_t> places;
  for (const Slice& slice : Targets(kTargets).find(module)) places.push_back(slice.target);
  return places;
}

using Places = std::vector<uint32_t>;

}  // namespace

TEST_CASE("every spelling of a part is known") {
  for (const char* name :
       {"m.lora_A.weight", "m.lora_A.default.weight", "m.lora_A.style.weight", "m.lora_A",
        "m.lora_down.weight", "m.lora.down.weight", "m.lora_linear_layer.down.weight"}) {
    CAPTURE(name);
    CHECK(part_of(name) == "m | down");
  }
  for (const char* name : {"m.lora_B.weight", "m.lora_B.default.weight", "m.lora_up.weight",
                           "m.lora.up.weight", "m.lora_linear_layer.up.weight"}) {
    CAPTURE(name);
    CHECK(part_of(name) == "m | up");
  }
  CHECK(part_of("m.alpha") == "m | alpha");
  CHECK(part_of("m.dora_scale") == "m | magnitude");
  CHECK(part_of("m.lora_magnitude_vector.default.weight") == "m | magnitude");
  CHECK(part_of("m.lokr_w2_a") == "m | lokr_w2_a");
}

TEST_CASE("what is no part of an update is nothing") {
  for (const char* name : {"m.weight", "m.bias", "m.diff_b", "m.lokr_t2", "m.lora_A.a.b.weight",
                           ".alpha", "alpha", ""}) {
    CAPTURE(name);
    CHECK(part_of(name) == "nothing");
  }
}

TEST_CASE("prefixes, underscores and other names lead to the same weights") {
  for (const char* prefix : {"", "transformer.", "diffusion_model.", "model.diffusion_model.",
                             "base_model.model.", "pipe.dit.", "lora_unet_", "lycoris_"}) {
    CAPTURE(prefix);
    const std::string p = prefix;
    CHECK(found(p + "layers.0.attention.to_q") == Places{0});
    CHECK(found(p + "layers_0_attention_to_out_0") == Places{3});
    CHECK(found(p + "layers_0_attention_out") == Places{3});
    CHECK(found(p + "context_refiner.0.feed_forward.w1") == Places{4});
  }
  CHECK(found("diffusion_model.final_layer.linear") == Places{5});
}

TEST_CASE("a fused projection is three weights, each with a third of the rows") {
  const auto slices = Targets(kTargets).find("diffusion_model.layers.0.attention.qkv");
  REQUIRE(slices.size() == 3);
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(slices[static_cast<size_t>(i)].target == i);
    CHECK(slices[static_cast<size_t>(i)].part == i);
    CHECK(slices[static_cast<size_t>(i)].parts == 3);
  }
}

TEST_CASE("names of other weights lead nowhere") {
  for (const char* name :
       {"layers.1.attention.to_q", "layers.0.attention", "xlayers.0.attention.to_q",
        "layers.0.attention.to_q.extra", "layers.7.attention.qkv", ""}) {
    CAPTURE(name);
    CHECK(found(name).empty());
  }
}

TEST_CASE("weights that differ only in dots and underscores are refused") {
  const std::array<gesso_target_t, 2> same{{{"a.b_c", 1, 1}, {"a_b.c", 1, 1}}};
  CHECK_THROWS_WITH_AS(Targets{same}, doctest::Contains("differ only in dots"), Error);
}
