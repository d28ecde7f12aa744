#include "engine/registry/describe.hpp"

#include <doctest/doctest.h>

#include "gesso/cpp/error.hpp"
#include "plugin_folder.hpp"

using namespace gesso;
using gesso::test::kManifest;
using gesso::test::PluginFolder;
using gesso::test::replaced;
using gesso::test::scan;
using nlohmann::json;

namespace {

// One plugin with a variant, and one that is refused.
std::shared_ptr<registry::Registry> example(const PluginFolder& folder) {
  folder.write("a/v.variant.toml", R"(
    variant = 1
    id = "org.test.turbo"
    name = "Turbo"
    summary = "Fast."
    [roles.denoiser]
    kind = "denoiser"
    component = "org.test.one.denoiser"
    [roles.codec]
    kind = "codec"
    component = "org.elsewhere.codec"
    [defaults]
    steps = 8)");
  const std::string manifest =
      replaced(kManifest, "requires", "variants = [\"v.variant.toml\"]\nrequires") + R"(
    weights = { tensors = { "embed.weight" = "D 4" } }
    [[component.param]]
    key = "rope"
    type = "text"
    summary = "Type of the rotary table."
    default = "f32"
    choices = ["f32", "bf16"])";
  folder.write_plugin("a/one", manifest);
  folder.write_plugin("b/bad", "manifest = 3");
  return scan({folder.path()});
}

}  // namespace

TEST_CASE("plugins and candidates are told as JSON") {
  const PluginFolder folder;
  const json answer = registry::plugins_json(*example(folder));
  REQUIRE(answer["plugins"].size() == 1);
  const json& plugin = answer["plugins"][0];
  CHECK(plugin["id"] == "org.test.one");
  CHECK(plugin["permissions"]["network"] == false);
  CHECK(plugin["components"] == json{"org.test.one.denoiser"});
  CHECK(plugin["variants"] == json{"org.test.turbo"});
  REQUIRE(answer["candidates"].size() == 2);
  CHECK(answer["candidates"][0]["accepted"] == true);
  CHECK(answer["candidates"][1]["accepted"] == false);
  CHECK(answer["candidates"][1]["reason"].get<std::string>().find("manifest = 3") !=
        std::string::npos);
}

TEST_CASE("a component is told with its parameters and weights") {
  const PluginFolder folder;
  const auto registry = example(folder);
  const json component = registry::components_json(*registry, "org.test.one.denoiser");
  CHECK(component["kind"] == "denoiser");
  CHECK(component["params"] == json::array({{{"key", "rope"},
                                             {"type", "text"},
                                             {"summary", "Type of the rotary table."},
                                             {"default", "f32"},
                                             {"choices", {"f32", "bf16"}}}}));
  CHECK(component["run_params"] == json::array());
  CHECK(component["weights"]["tensors"] == 1);
  CHECK(component["weights"]["layouts"] == json{"native"});
  CHECK(registry::components_json(*registry) == json::array({component}));
  CHECK_THROWS_AS(registry::components_json(*registry, "nobody"), Error);
}

TEST_CASE("a variant tells which of its components are there") {
  const PluginFolder folder;
  const auto registry = example(folder);
  const json variant = registry::variants_json(*registry, "turbo");
  CHECK(variant["defaults"] == json{{"steps", 8}});
  REQUIRE(variant["roles"].size() == 2);
  CHECK(variant["roles"][0]["name"] == "codec");
  CHECK(variant["roles"][0]["available"] == false);
  CHECK(variant["roles"][1]["available"] == true);
  CHECK(registry::variants_json(*registry) == json::array({variant}));
  CHECK_THROWS_AS(registry::variants_json(*registry, "nobody"), Error);
}
