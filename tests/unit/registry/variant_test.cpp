#include "engine/registry/variant.hpp"

#include <doctest/doctest.h>

#include "gesso/cpp/error.hpp"
#include "plugin_folder.hpp"

using namespace gesso;
using gesso::test::has;
using gesso::test::PluginFolder;
using gesso::test::replaced;

namespace {

const std::string kVariant = R"(variant = 1
id = "org.test.turbo"
name = "Test-Turbo"
aliases = ["turbo", "fast"]
summary = "Eight steps."
notes = ["No negative prompt."]

[roles.denoiser]
kind = "denoiser"
component = "org.test.denoiser"

[roles.control]
kind = "controller"
required = false
same = { D = "denoiser.D" }

[defaults]
steps = 8
cfg_scale = 1.0
sizes = [1024, 768]

[limits]
size_multiple = 16

[synthetic.denoiser]
sizes = { D = 64 }
counts = { n_layers = 2 }
config = { rope = [32, 48] }
)";

std::string reason(const std::string& variant) {
  const PluginFolder folder;
  try {
    registry::read_variant(folder.write("turbo.variant.toml", variant), "org.test");
    return "accepted";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a whole variant is read into plain data") {
  const PluginFolder folder;
  const auto file = folder.write("turbo.variant.toml", kVariant);
  const registry::VariantInfo variant = registry::read_variant(file, "org.test");
  CHECK(variant.id == "org.test.turbo");
  CHECK(variant.name == "Test-Turbo");
  CHECK(variant.aliases == std::vector<std::string>{"turbo", "fast"});
  CHECK(variant.plugin_id == "org.test");
  CHECK(variant.file == file);
  CHECK(variant.notes.size() == 1);
  REQUIRE(variant.roles.size() == 2);  // in the order of their names
  CHECK(variant.roles[0].name == "control");
  CHECK_FALSE(variant.roles[0].required);
  CHECK(variant.roles[0].component.empty());
  CHECK(variant.roles[0].same == std::map<std::string, std::string>{{"D", "denoiser.D"}});
  CHECK(variant.roles[1].component == "org.test.denoiser");
  CHECK(variant.roles[1].required);
  CHECK(variant.defaults["steps"] == 8);
  CHECK(variant.defaults["sizes"] == nlohmann::json{1024, 768});
  CHECK(variant.limits["size_multiple"] == 16);
  CHECK(variant.synthetic["denoiser"]["sizes"]["D"] == 64);
  CHECK(variant.synthetic["denoiser"]["config"]["rope"][1] == 48);
}

TEST_CASE("what a variant leaves out is empty, not null") {
  const PluginFolder folder;
  const auto file = folder.write("v.variant.toml", kVariant.substr(0, kVariant.find("[defaults]")));
  const registry::VariantInfo variant = registry::read_variant(file, "org.test");
  CHECK(variant.defaults == nlohmann::json::object());
  CHECK(variant.limits == nlohmann::json::object());
  CHECK(variant.synthetic == nlohmann::json::object());
}

TEST_CASE("each fault of a variant is told") {
  struct Fault {
    const char *from, *to, *expected;
  };
  const Fault faults[] = {
      {"variant = 1", "variant = 2\nnews = 1", "turbo.variant.toml:1:11: variant = 2, this host"},
      {"variant = 1\n", "", "the variant needs the key \"variant\""},
      {"notes", "nots", "unknown key \"nots\" in the variant; did you mean \"notes\"?"},
      {"\"org.test.turbo\"", "\"turbo\"", "\"turbo\" is no id"},
      {"kind = \"denoiser\"\n", "", "[roles.denoiser] needs the key \"kind\""},
      {"kind = \"denoiser\"", "kind = \"denoise\"", "did you mean \"denoiser\"?"},
      {"component = \"org.test.denoiser\"\n", "", "[roles.denoiser] is required, so it needs"},
      {"required = false", "optional = true", "unknown key \"optional\" in [roles.control]"},
      {"required = false", "required = 0", "must be true or false"},
      {"D = \"denoiser.D\"", "D = \"denoiser\"", "\"same.D\" of [roles.control] must be a text"},
      {"steps = 8", "steps = { a = 1 }", "\"steps\" in [defaults] must be a value or a list"},
      {"steps = 8", "steps = 2020-01-01", "expected a finite number"},
      {"size_multiple = 16", "size_multiple = \"16\"",
       "\"size_multiple\" in [limits] must be a number"},
      {"[synthetic.denoiser]", "[synthetic.denoisr]",
       "no role \"denoisr\"; did you mean \"denoiser\"?"},
      {"D = 64", "D = 0", "\"sizes.D\" must be a positive whole number"},
      {"n_layers = 2", "n_layers = 2.5", "\"counts.n_layers\" must be a positive whole number"},
      {"sizes = { D", "dims = { D", "unknown key \"dims\" in [synthetic.denoiser]"},
  };
  for (const Fault& fault : faults) {
    CAPTURE(fault.from);
    CAPTURE(fault.to);
    const std::string text = reason(replaced(kVariant, fault.from, fault.to));
    CAPTURE(text);
    CHECK(has(text, fault.expected));
  }
  CHECK(
      has(reason(kVariant.substr(0, kVariant.find("[roles")) + "roles = {}"), "at least one role"));
}
