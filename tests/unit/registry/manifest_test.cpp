#include "engine/registry/manifest.hpp"

#include <doctest/doctest.h>

#include "gesso/cpp/error.hpp"
#include "plugin_folder.hpp"

using namespace gesso;
using gesso::test::has;
using gesso::test::kManifest;
using gesso::test::PluginFolder;
using gesso::test::replaced;

namespace {

std::string reason(const std::string& manifest) {
  const PluginFolder folder;
  const auto file = folder.write_plugin("one", manifest);
  try {
    registry::read_manifest(file);
    return "accepted";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string with_param(const std::string& lines) {
  return kManifest + "[[component.param]]\n" + lines + "\n";
}

}  // namespace

TEST_CASE("a whole manifest is read into plain data") {
  const PluginFolder folder;
  folder.write("turbo.variant.toml", R"(
    variant = 1
    id = "org.test.turbo"
    name = "Turbo"
    summary = "Fast."
    [roles.denoiser]
    kind = "denoiser"
    component = "org.test.one.denoiser")");
  folder.write("weights.toml", "[tensors]\n\"embed.weight\" = \"D 4\"\n");
  const std::string text = replaced(kManifest, "requires", R"(
    variants = ["turbo.variant.toml"]
    permissions = { read = ["/dev/dri"], own_threads = true }
    requires)") + R"(
    weights = "weights.toml"
    [[component.param]]
    key = "rope"
    type = "text"
    summary = "Type of the rotary table."
    default = "f32"
    choices = ["f32", "bf16"]
    [[component.run_param]]
    key = "strength"
    type = "real"
    summary = "How strongly it acts."
    unit = "1"
    default = 1
    min = 0
    max = 1.5)";
  const registry::Manifest manifest = registry::read_manifest(folder.write_plugin("one", text));

  CHECK(manifest.plugin.id == "org.test.one");
  CHECK(manifest.plugin.version == "1.2.3");
  CHECK(manifest.plugin.vendor == "Test");
  CHECK(manifest.plugin.license == "MIT");
  CHECK(manifest.plugin.runtime == "none");
  CHECK(manifest.plugin.library == folder.path() / "one.so");
  CHECK(manifest.plugin.permissions.read == std::vector<std::string>{"/dev/dri"});
  CHECK(manifest.plugin.permissions.own_threads);
  CHECK_FALSE(manifest.plugin.permissions.network);
  CHECK(manifest.plugin.components == std::vector<std::string>{"org.test.one.denoiser"});
  CHECK(manifest.plugin.variants == std::vector<std::string>{"org.test.turbo"});

  REQUIRE(manifest.components.size() == 1);
  const registry::ComponentInfo& component = manifest.components[0];
  CHECK(component.kind == "denoiser");
  CHECK(component.plugin_id == "org.test.one");
  CHECK(component.interfaces == std::vector<std::string>{"gesso.module/1"});
  REQUIRE(component.pattern);
  CHECK(component.pattern->id == component.id);
  CHECK(component.pattern->tensors.size() == 1);

  REQUIRE(component.params.size() == 1);
  CHECK(component.params[0].key == "rope");
  CHECK(component.params[0].type == GESSO_VALUE_TEXT);
  CHECK(component.params[0].preset == "f32");
  CHECK(component.params[0].choices == std::vector<std::string>{"f32", "bf16"});
  REQUIRE(component.run_params.size() == 1);
  CHECK(component.run_params[0].preset.is_number_float());
  CHECK(component.run_params[0].min == 0.0);
  CHECK(component.run_params[0].max == 1.5);
  CHECK(component.run_params[0].unit == "1");
}

TEST_CASE("weights may be a table in the manifest") {
  const PluginFolder folder;
  const auto file = folder.write_plugin(
      "one", kManifest + "[component.weights.tensors]\n\"embed.weight\" = \"D 4\"\n");
  CHECK(registry::read_manifest(file).components[0].pattern.has_value());
}

TEST_CASE("an unknown key is reported with its place and the nearest name") {
  const std::string text = reason(replaced(kManifest, "kind =", "knd ="));
  CHECK(has(text, "/one.gesso.toml:9:1: unknown key \"knd\" in [[component]]"));
  CHECK(has(text, "did you mean \"kind\"?"));
}

TEST_CASE("each fault of a manifest is told") {
  struct Fault {
    const char *from, *to, *expected;
  };
  const Fault faults[] = {
      {"manifest = 1", "manifest =", "one.gesso.toml:1:"},
      {"manifest = 1\n", "", "the manifest needs the key \"manifest\" (a whole number)"},
      {"manifest = 1", "manifest = 2\nnews = 1", "manifest = 2, this host reads 1"},
      {"manifest = 1", "manifest = \"1\"", "must be a whole number, found a text"},
      {"manifest = 1", "manifest = 1\nquux = 1", "its keys are manifest, plugin"},
      {"id = \"org.test.one\"", "id = \"one\"", "\"one\" is no id"},
      {"id = \"org.test.one\"", "id = \"Org.Test\"", "\"Org.Test\" is no id"},
      {"license = \"MIT\"", "licence = \"MIT\"", "did you mean \"license\"?"},
      {"license = \"MIT\"", "license = \"\"", "\"license\" in [plugin] is empty"},
      {", license = \"MIT\"", "", "[plugin] needs the key \"license\""},
      {"major = 1", "major = 2", "built for ABI 2.0, this host speaks ABI 1.0"},
      {"minor = 0", "minor = 3", "built for ABI 1.3, this host speaks ABI 1.0"},
      {"library = \"one.so\"", "library = \"two.so\"", "two.so does not exist; build or install"},
      {"library = \"one.so\"", "library = \"../one.so\"", "must lie in the folder of the manifest"},
      {"library = \"one.so\"", "library = \"/one.so\"", "must lie in the folder of the manifest"},
      {"library = \"one.so\"\n", "", "needs the key \"library\""},
      {"requires.runtime = \"none\"\n", "", "needs requires.runtime"},
      {"\"none\"", "\"torch\"", "\"torch\" is no runtime; expected"},
      {"\"denoiser\"", "\"denoizer\"", "unknown kind \"denoizer\"; did you mean \"denoiser\"?"},
      {"[\"gesso.module/1\"]", "[\"gesso.module\"]", "is no interface id"},
      {"[\"gesso.module/1\"]", "[]", "at least one interface"},
      {"[\"gesso.module/1\"]", "\"gesso.module/1\"", "must be a list of texts, found a text"},
      {"[\"gesso.module/1\"]", "[1]", "must be a list of texts, found a list"},
      {"requires", "permissions = { network = 1 }\nrequires", "must be true or false"},
      {"requires", "variants = [\"x.variant.toml\"]\nrequires", "x.variant.toml: no such file"},
      {"summary", "weights = \"x.toml\"\nsummary", "x.toml"},
      {"summary", "weights = { tensor = 1 }\nsummary", "unknown key \"tensor\""},
  };
  for (const Fault& fault : faults) {
    CAPTURE(fault.from);
    CAPTURE(fault.to);
    const std::string text = reason(replaced(kManifest, fault.from, fault.to));
    CAPTURE(text);
    CHECK(has(text, fault.expected));
  }
}

TEST_CASE("a component id may be used once in a manifest") {
  const std::string component = kManifest.substr(kManifest.find("[[component]]"));
  CHECK(has(reason(kManifest + component), "\"org.test.one.denoiser\" is listed twice"));
}

TEST_CASE("a third party may have kinds of its own") {
  CHECK(reason(replaced(kManifest, "\"denoiser\"", "\"org.test.upscaler\"")) == "accepted");
}

TEST_CASE("a manifest of variants needs no library") {
  const PluginFolder folder;
  folder.write("tune.variant.toml", R"(
    variant = 1
    id = "org.test.tune"
    name = "Tune"
    summary = "A fine-tune."
    [roles.denoiser]
    kind = "denoiser"
    component = "org.elsewhere.denoiser")");
  const std::string text = R"(
    manifest = 1
    plugin = { id = "org.test.tune", version = "1", license = "MIT" }
    abi = { major = 1, minor = 0 }
    variants = ["tune.variant.toml"])";
  const auto file = folder.write("tune.gesso.toml", text);
  CHECK(registry::read_manifest(file).plugin.library.empty());

  CHECK(has(reason(replaced(text, "variants = [\"tune.variant.toml\"]", "")),
            "neither components nor variants"));
}

TEST_CASE("a variant may not use a component of this plugin as another kind") {
  const PluginFolder folder;
  folder.write("turbo.variant.toml", R"(
    variant = 1
    id = "org.test.turbo"
    name = "Turbo"
    summary = "Fast."
    [roles.vae]
    kind = "codec"
    component = "org.test.one.denoiser")");
  const auto file = folder.write_plugin(
      "one", replaced(kManifest, "requires", "variants = [\"turbo.variant.toml\"]\nrequires"));
  CHECK_THROWS_WITH_AS(
      registry::read_manifest(file),
      doctest::Contains("the role \"vae\" is of kind \"codec\", but its component"), Error);
}

TEST_CASE("each fault of a parameter is told") {
  const std::string start = "key = \"steps\"\nsummary = \"Steps.\"\n";
  struct Fault {
    const char *lines, *expected;
  };
  const Fault faults[] = {
      {"type = \"integer\"", "unknown type \"integer\"; did you mean \"int\"?"},
      {"type = \"int\"\ndefault = 1.5", "\"default\" must be of type int"},
      {"type = \"int\"\ndefault = 0\nmin = 1", "default 0 is outside of the bounds"},
      {"type = \"int\"\nmin = 3\nmax = 2", "min 3 is above max 2"},
      {"type = \"real\"\ndefault = inf", "expected a finite number"},
      {"type = \"ints\"\ndefault = [1, 9]\nmax = 5", "default 9 is outside of the bounds"},
      {"type = \"ints\"\ndefault = 1", "\"default\" must be of type ints"},
      {"type = \"text\"\nmin = 1", "type text has no \"min\"; only numbers do"},
      {"type = \"bool\"\ndefault = 1", "\"default\" must be of type bool"},
      {"type = \"int\"\nchoices = [\"a\"]", "type int has no choices; only texts do"},
      {"type = \"text\"\nchoices = []", "there is no choice"},
      {"type = \"text\"\ndefault = \"c\"\nchoices = [\"a\"]",
       "default \"c\" is none of the choices"},
      {"type = \"int\"\nunits = \"1\"", "unknown key \"units\" in [[component.param]]"},
  };
  for (const Fault& fault : faults) {
    CAPTURE(fault.lines);
    const std::string text = reason(with_param(start + fault.lines));
    CAPTURE(text);
    CHECK(has(text, fault.expected));
  }
  const std::string param = start + "type = \"int\"";
  CHECK(has(reason(with_param(param + "\n[[component.param]]\n" + param)), "described twice"));
}
