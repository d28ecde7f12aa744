// The Z-Image denoiser through its plugin: goldens, batches, cancel, updates, refusals.
#include "denoiser_host.hpp"

using namespace golden;
using gesso::Error;

TEST_CASE("float32 predictions equal the goldens") {
  for (const char* name :
       {"dit/square", "dit/tall", "dit/wide_padded", "dit/odd_tokens", "dit/one_token",
        "dit/last_training_step", "dit/layout_diffusers", "dit/layout_sharded"}) {
    const Case c(name);
    c.check("noise_pred", Denoiser(c).run(one(single(c)))[0]);
  }
}

TEST_CASE("bf16 predictions equal the golden") {
  const Case c("dit/bf16");
  Denoiser denoiser(c, true);
  c.check("noise_pred", denoiser.run(one(single(c)), "diffsynth")[0]);
}

TEST_CASE("a batch equals the goldens, and single runs bit for bit") {
  for (const char* name : {"dit/batch_mixed_size", "dit/batch_same_size"}) {
    const Case c(name);
    for (const bool bf16 : {false, true}) {
      Denoiser denoiser(c, bf16);
      const auto together = denoiser.run(batch(c));
      auto items = batch(c);
      for (size_t i = 0; i < together.size(); ++i) {
        if (!bf16) c.check("noise_pred." + std::to_string(i), together[i]);
        CHECK(together[i] == denoiser.run(one(std::move(items[i])))[0]);
      }
    }
  }
}

TEST_CASE("each unit is entered once per run, whatever the batch") {
  const Case c("dit/batch_same_size");
  Denoiser denoiser(c);
  denoiser.run(batch(c));
  CHECK(denoiser.weights.enter_count ==
        9);  // 4 embedders and final layer, 1 + 1 refiners, 3 layers
}

TEST_CASE("numerics decide how the timestep is rounded") {
  const Case c("dit/tall");
  Denoiser wide(c);  // computes in float32, where nothing is rounded
  CHECK(wide.run(one(single(c)))[0] == wide.run(one(single(c)), "diffsynth")[0]);
  Denoiser denoiser(c, /*bf16=*/true);
  const auto precise = denoiser.run(one(single(c)))[0];
  CHECK(precise != denoiser.run(one(single(c)), "diffsynth")[0]);
  Item item = single(c);
  item.timestep = 500;  // a timestep that bf16 holds
  Item same = single(c);
  same.timestep = 500;
  CHECK(denoiser.run(one(std::move(item)))[0] ==
        denoiser.run(one(std::move(same)), "diffsynth")[0]);
  CHECK_THROWS_WITH_AS(denoiser.run(one(single(c)), "rough"), doctest::Contains("precise"), Error);
}

TEST_CASE("cancel ends the run within a block and leaves the instance usable") {
  const Case c("dit/square");
  Denoiser denoiser(c);
  const auto before = denoiser.run(one(single(c)));
  for (int polls = 0; polls < 9; ++polls) {
    TestCall call;
    call.polls_left = polls;
    try {
      denoiser.run(one(single(c)), "precise", &call);
      FAIL("not cancelled");
    } catch (const Error& e) {
      CHECK(e.status() == gesso::Status::Cancelled);
    }
    CHECK(denoiser.weights.entered_now() == 0);
  }
  CHECK(denoiser.run(one(single(c))) == before);
}

TEST_CASE("a low-rank update changes the items it is for, and no others") {
  const Case c("dit/batch_same_size");
  Denoiser denoiser(c);
  const auto before = denoiser.run(batch(c));
  denoiser.weights.add_delta("layers.1.attention.to_q.weight",
                             float_tensor(std::vector<float>(64, 0.1f), {1, 64}),
                             float_tensor(std::vector<float>(64, 0.1f), {64, 1}), 0.5, 0b010);
  const auto after = denoiser.run(batch(c));
  CHECK(after[0] == before[0]);
  CHECK(after[1] != before[1]);
  CHECK(after[2] == before[2]);
}

TEST_CASE("estimates grow with picture and batch") {
  const Case c("dit/batch_mixed_size");
  Denoiser denoiser(c);
  const auto both = denoiser.estimate(batch(c));
  auto items = batch(c);
  const auto first = denoiser.estimate(one(std::move(items[0])));
  const auto second = denoiser.estimate(one(std::move(items[1])));
  CHECK(both.flops == first.flops + second.flops);
  CHECK(both.peak_bytes > std::max(first.peak_bytes, second.peak_bytes));
}

TEST_CASE("inputs that do not fit are refused with a reason") {
  const Case c("dit/square");
  Denoiser denoiser(c);
  const auto refused = [&](std::vector<int64_t> latents, std::vector<int64_t> text,
                           const char* reason) {
    const auto zeros = [](const std::vector<int64_t>& shape) {
      int64_t n = 1;
      for (const int64_t extent : shape) n *= extent;
      return float_tensor(std::vector<float>(n), shape);
    };
    CAPTURE(reason);
    CHECK_THROWS_WITH_AS(denoiser.run(one({zeros(latents), zeros(text), 500})),
                         doctest::Contains(reason), Error);
  };
  refused({16, 7, 8}, {4, 48}, "even height");
  refused({4, 8, 8}, {4, 48}, "[16, H, W]");
  refused({16, 8, 8}, {4, 40}, "another model");
  refused({16, 8, 8}, {0, 48}, "one token");
  refused({16, 8, 8}, {1020, 48}, "too many caption tokens");
  refused({16, 2, 1026}, {4, 48}, "too many columns");
  CHECK_THROWS_AS(denoiser.run({}), Error);
}

TEST_CASE("a missing weight is named") {
  const Case c("dit/square");
  for (const char* name : {"layers.1.feed_forward.w2.weight", "cap_pad_token"}) {
    MemoryWeights weights(c.weights("dit"), false);
    weights.erase(name);
    PluginComponent component("z_image", "org.gesso.z_image.denoiser");
    CHECK_THROWS_WITH_AS(component.prepare({}, &weights), doctest::Contains(name), Error);
  }
}

TEST_CASE("a config that does not fit the weights is refused") {
  const Case c("dit/square");
  MemoryWeights weights(c.weights("dit"), false);
  PluginComponent component("z_image", "org.gesso.z_image.denoiser");
  gesso::ValueList values;
  values.set_integers("config.axes_dims", {32, 48, 48});
  CHECK_THROWS_WITH_AS(component.prepare(values, &weights), doctest::Contains("axes_dims"), Error);
}
