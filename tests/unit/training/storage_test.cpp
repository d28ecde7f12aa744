// A LoRA over frozen weights that are kept small or far away.
#include <doctest/doctest.h>

#include "gesso/cpp/error.hpp"
#include "training_workshop.hpp"

using namespace gesso;

namespace {

/// Two steps; @return the LoRA, byte by byte
std::string trained(Workshop& shop) {
  shop.plan.max_steps = 2;
  shop.plan.save_steps = 0;
  shop.train();
  return shop.bytes("step-4.safetensors");
}

config::ComponentPlan& denoiser_of(Workshop& shop) { return shop.plan.pipeline.components.front(); }

/// As the weights are when they are read out of their storage.
void decode(config::ComponentPlan& component, const std::string& format) {
  const auto linear = [](const weights::StoredWeight& w) { return w.shape.size() == 2; };
  weights::Storing storing({format, {}, {}});
  std::map<std::string, weights::StoredWeight, std::less<>> made;
  for (const std::string& name : component.weights->names()) {
    weights::StoredWeight weight = *component.weights->find(name);
    const bool target = linear(weight) && !name.ends_with("pad_token");
    if (storing.covers(name, weight, target)) weight = storing.store(name, weight);
    made[name] = weights::StoredWeight(weights::decode(weight, weights::DType::F32));
  }
  component.weights = std::make_shared<weights::MappedWeights>(
      weights::MappedWeights::of("decoded", std::move(made)));
}

config::PresetLora preset() {
  return {"denoiser", kModels / "lora/train_preset.safetensors", "test.toml:2:1"};
}

}  // namespace

TEST_CASE("a LoRA over stored weights gets the gradients of one over the decoded ones") {
  Workshop plain;
  const std::string without = trained(plain);
  for (const char* format : {"nf4", "fp4", "fp8_e4m3", "fp8_scaled", "int8_row"}) {
    CAPTURE(format);
    Workshop stored, decoded;
    denoiser_of(stored).storage.format = format;
    decode(denoiser_of(decoded), format);
    const std::string found = trained(stored);
    CHECK(found == trained(decoded));
    CHECK(found != without);
  }
}

TEST_CASE("a preset LoRA acts on stored weights as on decoded ones") {
  Workshop stored, decoded, without;
  denoiser_of(stored).storage.format = denoiser_of(without).storage.format = "nf4";
  decode(denoiser_of(decoded), "nf4");
  stored.plan.preset_lora = decoded.plan.preset_lora = preset();
  const std::string found = trained(stored);
  CHECK(found == trained(decoded));
  CHECK(found != trained(without));
}

TEST_CASE("a LoRA over weights that are streamed is the same") {
  Workshop resident, streamed, small;
  for (Workshop* shop : {&streamed, &small}) {
    shop->plan.pipeline.components.back() =
        component(*shop->plan.pipeline.registry, "memory_policy", "org.gesso.stream.policy");
    shop->plan.pipeline.memory = {{"computation_device", "sim:0"}, {"vram_limit", 0.0005}};
  }
  CHECK(trained(streamed) == trained(resident));
  denoiser_of(small).storage.format = "nf4";
  Workshop stored;
  denoiser_of(stored).storage.format = "nf4";
  CHECK(trained(small) == trained(stored));
}
