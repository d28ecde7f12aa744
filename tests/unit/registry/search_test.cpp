#include "engine/registry/search.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "gesso/cpp/error.hpp"
#include "plugin_folder.hpp"

using namespace gesso;
using gesso::registry::Candidate;
using gesso::registry::Registry;
using gesso::test::has;
using gesso::test::kManifest;
using gesso::test::PluginFolder;
using gesso::test::replaced;
using gesso::test::scan;

namespace fs = std::filesystem;

namespace {

// GESSO_PLUGIN_PATH for the length of a scope.
class PluginPath {
 public:
  explicit PluginPath(const std::string& value) { setenv("GESSO_PLUGIN_PATH", value.c_str(), 1); }
  ~PluginPath() { unsetenv("GESSO_PLUGIN_PATH"); }
};

// The working folder for the length of a scope.
class WorkingFolder {
 public:
  explicit WorkingFolder(const fs::path& path) : before_(fs::current_path()) {
    fs::current_path(path);
  }
  ~WorkingFolder() { fs::current_path(before_); }

 private:
  fs::path before_;
};

std::shared_ptr<Registry> scan_environment(std::vector<fs::path> given = {}) {
  return Registry::scan({.given = std::move(given),
                         .use_environment = true,
                         .use_default_paths = false,
                         .runtime_version = {}});
}

std::string with_id(const std::string& id) {
  std::string text = replaced(kManifest, "org.test.one", id);
  return replaced(text, "org.test.one", id);
}

}  // namespace

TEST_CASE("a folder is searched directly and one level below, not deeper") {
  const PluginFolder folder;
  folder.write_plugin("direct", with_id("org.test.direct"));
  folder.write_plugin("below/below", with_id("org.test.below"));
  folder.write_plugin("below/deeper/deeper", with_id("org.test.deeper"));
  folder.write("notes.txt", "nothing to see");
  const auto registry = scan({folder.path()});
  REQUIRE(registry->plugins().size() == 2);
  CHECK(registry->plugins()[0].id == "org.test.direct");
  CHECK(registry->plugins()[1].id == "org.test.below");
  CHECK(registry->candidates().size() == 2);
}

TEST_CASE("a plugin may be given by its manifest, its library or its folder") {
  const PluginFolder folder;
  const fs::path manifest = folder.write_plugin("one");
  for (const fs::path& given : {manifest, folder.path() / "one.so", folder.path()}) {
    CAPTURE(given.string());
    const auto registry = scan({given});
    REQUIRE(registry->plugins().size() == 1);
    CHECK(registry->candidates()[0].accepted);
    CHECK(registry->candidates()[0].source == "given");
    CHECK(registry->candidates()[0].path == manifest);
    CHECK(registry->candidates()[0].plugin_id == "org.test.one");
  }
}

TEST_CASE("what is given and cannot be used is refused with the reason") {
  const PluginFolder folder;
  folder.write("empty/readme.txt");
  struct Case {
    fs::path given;
    const char* reason;
  };
  const Case cases[] = {
      {folder.write("lonely.so"), "there is no manifest lonely.gesso.toml beside the library"},
      {folder.path() / "missing", "no such file or folder"},
      {folder.path() / "empty", "no *.gesso.toml in the folder or one level below"},
      {folder.write("model.safetensors"), "expected a plugin's library"},
  };
  for (const Case& c : cases) {
    const auto registry = scan({c.given});
    REQUIRE(registry->candidates().size() == 1);
    CHECK_FALSE(registry->candidates()[0].accepted);
    CHECK(has(registry->candidates()[0].reason, c.reason));
  }
}

TEST_CASE("a bad manifest is refused and the others are still found") {
  const PluginFolder folder;
  folder.write_plugin("a/a", "manifest = ");
  folder.write_plugin("b/b");
  const auto registry = scan({folder.path()});
  REQUIRE(registry->candidates().size() == 2);
  CHECK(has(registry->candidates()[0].reason, "a/a.gesso.toml:1:"));
  CHECK(registry->candidates()[1].accepted);
  CHECK(registry->plugins().size() == 1);
}

TEST_CASE("the first of two plugins with one id wins, the other says where the first is") {
  const PluginFolder folder;
  const fs::path first = folder.write_plugin("a/one"), second = folder.write_plugin("b/one");
  const auto registry = scan({second, first});
  REQUIRE(registry->plugins().size() == 1);
  CHECK(registry->plugins()[0].manifest == second);
  const Candidate& refused = registry->candidates()[1];
  CHECK_FALSE(refused.accepted);
  CHECK(refused.plugin_id == "org.test.one");
  CHECK(refused.reason == "the plugin \"org.test.one\" was found before, in " + second.string());
}

TEST_CASE("component ids are unique among plugins") {
  const PluginFolder folder;
  folder.write_plugin("a/one");
  folder.write_plugin("b/one", replaced(kManifest, "org.test.one", "org.test.two"));
  CHECK(has(scan({folder.path()})->candidates()[1].reason,
            "the component \"org.test.one.denoiser\" was found before, in"));
}

TEST_CASE("variant names are unique, in any case, within a plugin and among plugins") {
  const auto variant = [](const std::string& id, const std::string& name) {
    return "variant = 1\nid = \"" + id + "\"\nname = \"" + name +
           "\"\nsummary = \"S\"\n[roles.codec]\nkind = \"codec\"\nrequired = false\n";
  };
  const auto manifest = [](const std::string& id, const std::string& variants) {
    return "manifest = 1\nplugin = { id = \"" + id +
           "\", version = \"1\", license = \"MIT\" }\nabi = { major = 1, minor = 0 }\n"
           "variants = [" +
           variants + "]\n";
  };
  const PluginFolder folder;
  folder.write("a/v.variant.toml", variant("org.test.a.v", "Same name"));
  folder.write("a/p.gesso.toml", manifest("org.test.a", "\"v.variant.toml\""));
  folder.write("b/v.variant.toml", variant("org.test.b.v", "SAME NAME"));
  folder.write("b/p.gesso.toml", manifest("org.test.b", "\"v.variant.toml\""));
  folder.write("c/v.variant.toml", variant("org.test.c.v", "One"));
  folder.write("c/w.variant.toml", variant("org.test.c.w", "one"));
  folder.write("c/p.gesso.toml", manifest("org.test.c", "\"v.variant.toml\", \"w.variant.toml\""));
  const auto registry = scan({folder.path()});
  CHECK(registry->variants().size() == 1);
  const auto refusal = [&](const char* name, const char* owner) {
    return "the variant \"" + std::string(name) + "\" was found before, in " +
           (folder.path() / owner / "p.gesso.toml").string();
  };
  CHECK(registry->candidates()[1].reason == refusal("same name", "a"));
  CHECK(registry->candidates()[2].reason == refusal("one", "c"));
}

TEST_CASE("one manifest met twice counts once") {
  const PluginFolder folder;
  const fs::path manifest = folder.write_plugin("one");
  fs::create_symlink(manifest, folder.path() / "again.gesso.toml");
  CHECK(scan({manifest, folder.path()})->candidates().size() == 1);
}

TEST_CASE("GESSO_PLUGIN_PATH is searched after what is given") {
  const PluginFolder first, second;
  first.write_plugin("one");
  second.write_plugin("one");
  const PluginPath path(first.path().string() + "::" + second.path().string());
  const auto registry = scan_environment();
  REQUIRE(registry->candidates().size() == 2);
  CHECK(registry->candidates()[0].source == "GESSO_PLUGIN_PATH");
  CHECK(registry->candidates()[0].accepted);
  CHECK(has(registry->candidates()[1].reason, "was found before"));

  const auto given = scan_environment({second.path()});
  CHECK(given->candidates()[0].source == "given");
  CHECK(given->plugins()[0].manifest.parent_path() == second.path());
  CHECK(scan({})->candidates().empty());
}

TEST_CASE("a relative path in the environment is refused") {
  const PluginFolder folder;
  folder.write_plugin("plugins/one");
  const WorkingFolder working(folder.path());
  const PluginPath path("plugins");
  const auto registry = scan_environment();
  CHECK(registry->plugins().empty());
  CHECK(has(registry->candidates()[0].reason, "would depend on the working folder"));
}

TEST_CASE("the working folder is not searched") {
  const PluginFolder folder;
  const std::string manifest = with_id("org.test.in_working_folder");
  folder.write_plugin("one", manifest);
  folder.write_plugin("gesso/plugins/one/one", manifest);
  folder.write_plugin("lib/gesso/plugins/one/one", manifest);
  const WorkingFolder working(folder.path());
  const auto registry = Registry::scan({});
  for (const Candidate& candidate : registry->candidates())
    CHECK(candidate.plugin_id != "org.test.in_working_folder");
}

TEST_CASE("plugins beside the program are found") {
  CHECK(registry::own_folder() == fs::canonical("/proc/self/exe").parent_path());
  const PluginFolder folder;
  folder.write_plugin("beside", with_id("org.test.beside"));
  const fs::path beside = registry::own_folder() / "gesso";
  fs::remove_all(beside);
  fs::create_directories(beside / "plugins");
  fs::copy(folder.path(), beside / "plugins/beside");
  const auto registry = Registry::scan(
      {.given = {}, .use_environment = false, .use_default_paths = true, .runtime_version = {}});
  fs::remove_all(beside);
  REQUIRE_FALSE(registry->candidates().empty());
  CHECK(registry->candidates()[0].plugin_id == "org.test.beside");
  CHECK(registry->candidates()[0].source == "beside the program");
}

TEST_CASE("a component that does not exist is answered with the nearest and the list") {
  const PluginFolder folder;
  folder.write_plugin("one");
  const auto registry = scan({folder.path()});
  CHECK(registry->component("org.test.one.denoiser").kind == "denoiser");
  CHECK_THROWS_WITH_AS(registry->component("org.test.one.denoizer"),
                       "no component \"org.test.one.denoizer\"; did you mean "
                       "\"org.test.one.denoiser\"? there are: org.test.one.denoiser",
                       Error);
  CHECK_THROWS_WITH_AS(scan({})->component("x"),
                       doctest::Contains("no component \"x\"; none is there"), Error);
}

TEST_CASE("a variant is found by id, name and alias, in any case") {
  const PluginFolder folder;
  folder.write("v.variant.toml", R"(
    variant = 1
    id = "org.test.turbo"
    name = "Test-Turbo"
    aliases = ["fast one"]
    summary = "S"
    [roles.denoiser]
    kind = "denoiser"
    component = "org.test.one.denoiser")");
  folder.write_plugin("one",
                      replaced(kManifest, "requires", "variants = [\"v.variant.toml\"]\nrequires"));
  const auto registry = scan({folder.path()});
  for (const char* name : {"org.test.turbo", "Test-Turbo", "test-turbo", "FAST ONE"}) {
    CAPTURE(name);
    CHECK(registry->variant(name).id == "org.test.turbo");
  }
  CHECK_THROWS_WITH_AS(
      registry->variant("tst-turbo"),
      "no variant \"tst-turbo\"; did you mean \"Test-Turbo\"? there are: Test-Turbo", Error);
}
