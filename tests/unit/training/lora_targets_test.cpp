#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gesso/cpp/error.hpp"
#include "runtime/training/lora_targets.hpp"

using namespace gesso;
using Rule = config::LoraTargets::Rule;

namespace {

std::vector<runtime::DeltaTarget> targets() {
  std::vector<runtime::DeltaTarget> list;
  for (const char* name :
       {"layers.0.attention.to_q", "layers.1.attention.to_q", "layers.0.adaLN_modulation.0",
        "layers.1.adaLN_modulation.0", "noise_refiner.0.attention.to_q", "cap_embedder.1"}) {
    const bool narrow = std::string(name).find("adaLN") != std::string::npos;
    list.push_back({name, 3840, narrow ? 256 : 3840});
  }
  return list;
}

std::vector<size_t> chosen(Rule rule, std::vector<std::string> names = {}) {
  return runtime::choose_targets({rule, std::move(names), "to_x", "a.toml:3:1"}, targets());
}

}  // namespace

TEST_CASE("names are whole names or their ends after a dot") {
  CHECK(chosen(Rule::Names, {"to_q"}) == std::vector<size_t>{0, 1, 4});
  CHECK(chosen(Rule::Names, {"layers.1.attention.to_q"}) == std::vector<size_t>{1});
  CHECK_THROWS(chosen(Rule::Names, {"o_q"}));
}

TEST_CASE("by themselves, wide layers in lists of several blocks are chosen") {
  CHECK(chosen(Rule::Auto) == std::vector<size_t>{0, 1});
}

TEST_CASE("a pattern must match whole names") {
  CHECK(chosen(Rule::Pattern, {R"(layers\.\d+\..*to_q)"}) == std::vector<size_t>{0, 1});
  CHECK(chosen(Rule::AllLinear).size() == 6);
}

TEST_CASE("targets that match nothing are an error that shows what there is") {
  CHECK_THROWS_WITH_AS(chosen(Rule::Names, {"q"}),
                       doctest::Contains("match none of 6 linear layers"), Error);
  CHECK_THROWS_WITH_AS(chosen(Rule::Names, {"q"}), doctest::Contains("a.toml:3:1"), Error);
}

TEST_CASE("a LoRA begins within 1/sqrt(in), the same for the same seed") {
  const at::Tensor a = runtime::initial_a(7, 4, 100);
  CHECK(a.abs().max().item<float>() <= 0.1f);
  CHECK(a.abs().max().item<float>() > 0.09f);
  CHECK(a.equal(runtime::initial_a(7, 4, 100)));
  CHECK_FALSE(a.equal(runtime::initial_a(8, 4, 100)));
}
