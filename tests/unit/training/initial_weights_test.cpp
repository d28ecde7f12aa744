#include "runtime/training/initial_weights.hpp"

#include <doctest/doctest.h>

#include "gesso/cpp/error.hpp"
#include "runtime/training/tensor_files.hpp"
#include "small_components.hpp"

using namespace gesso;

namespace {

struct Shop {
  Shop() {
    plan.name = "test.toml";
    plan.numerics = "precise";
    plan.registry = scan_plugins();
    plan.components = {
        denoiser(*plan.registry),
        component(*plan.registry, "controlnet", "org.gesso.z_image_fun_union.controller")};
  }
  at::Tensor of(size_t place, const std::string& name) const {
    const auto found = plan.components.at(place).weights->find(name);
    REQUIRE(found);
    return runtime::tensor_of(found->data());
  }
  config::PipelinePlan plan;
};

}  // namespace

TEST_CASE("an untrained ControlNet is a copy of every other block and adds nothing") {
  Shop shop;
  runtime::begin_untrained(shop.plan, "controlnet", 5);
  const auto& made = *shop.plan.components[1].weights;
  const auto base = [&](const std::string& name) { return shop.of(0, name); };
  const auto control = [&](const std::string& name) { return shop.of(1, name); };
  for (const char* part : {".attention.to_q.weight", ".feed_forward.w2.weight",
                           ".adaLN_modulation.0.bias", ".ffn_norm2.weight"}) {
    CHECK(control(std::string("control_layers.0") + part)
              .equal(base(std::string("layers.0") + part)));
    CHECK(control(std::string("control_noise_refiner.0") + part)
              .equal(base(std::string("noise_refiner.0") + part)));
  }
  size_t blocks = 0;
  for (const std::string& name : made.names()) {
    if (name.find("_proj") != std::string::npos)
      CHECK(control(name).count_nonzero().item<int64_t>() == 0);
    blocks += name.ends_with("after_proj.bias");
  }
  size_t layers = 0, refiners = 0;
  for (const std::string& name : shop.plan.components[0].weights->names()) {
    const bool block = name.ends_with(".attention.to_q.weight");
    layers += block && name.starts_with("layers.");
    refiners += block && name.starts_with("noise_refiner.");
  }
  CHECK(blocks == (layers + 1) / 2 + refiners);
  const at::Tensor embedder = control("control_all_x_embedder.2-1.weight");
  CHECK(embedder.size(1) == 132);
  CHECK(embedder.abs().max().item<double>() <= 1 / std::sqrt(132.0));
  CHECK(embedder.std().item<double>() == doctest::Approx(1 / std::sqrt(3 * 132.0)).epsilon(0.05));

  Shop again, other;
  runtime::begin_untrained(again.plan, "controlnet", 5);
  runtime::begin_untrained(other.plan, "controlnet", 6);
  CHECK(again.of(1, "control_all_x_embedder.2-1.weight").equal(embedder));
  CHECK_FALSE(other.of(1, "control_all_x_embedder.2-1.weight").equal(embedder));
}

TEST_CASE("what cannot begin untrained says so") {
  Shop shop;
  CHECK_THROWS_WITH_AS(runtime::begin_untrained(shop.plan, "codec", 0),
                       doctest::Contains("nothing fills the role \"codec\""), Error);
  shop.plan.components[0].weights = nullptr;
  CHECK_THROWS_WITH_AS(runtime::begin_untrained(shop.plan, "controlnet", 0),
                       doctest::Contains("begins with the weights of \"denoiser\""), Error);
  shop.plan.components.push_back(
      component(*shop.plan.registry, "scheduler", "org.gesso.flow_match.scheduler"));
  CHECK_THROWS_WITH_AS(runtime::begin_untrained(shop.plan, "scheduler", 0),
                       doctest::Contains("gesso.initial-weights/1"), Error);
}
