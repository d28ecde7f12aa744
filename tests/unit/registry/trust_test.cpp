// What is refused before any code of it runs, and that the rest is there all the same.
#include "engine/registry/trust.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/checksum.hpp"
#include "engine/registry/loader.hpp"
#include "engine/registry/registered.hpp"
#include "gesso/cpp/error.hpp"
#include "plugin_folder.hpp"

using namespace gesso;
using gesso::registry::Registry;
using gesso::registry::SearchOptions;
using gesso::registry::Trust;
using gesso::test::has;
using gesso::test::kManifest;
using gesso::test::PluginFolder;
using gesso::test::replaced;

namespace fs = std::filesystem;

namespace {

const std::string kNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::shared_ptr<Registry> scan(std::vector<fs::path> given, Trust trust = {}) {
  SearchOptions options;
  options.given = std::move(given);
  options.use_environment = options.use_default_paths = false;
  options.trust = std::move(trust);
  return Registry::scan(options);
}

/// A copy of the good fixture, with a digest in its manifest.
fs::path signed_copy(const PluginFolder& folder, const std::string& digest) {
  fs::copy(fs::path(GESSO_FIXTURES) / "good", folder.path() / "good");
  const fs::path file = folder.path() / "good/good.gesso.toml";
  std::ifstream in(file);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  std::ofstream(file) << replaced(text, "library", "sha256 = \"" + digest + "\"\nlibrary");
  return folder.path() / "good";
}

gesso_component_t* make_good(Registry& registry) {
  static const gesso_host_t host{
      sizeof(gesso_host_t),
      GESSO_ABI_MINOR,
      nullptr,
      "test",
      "0",
      [](const gesso_host_t*, int32_t, const char*) {},
      [](const gesso_host_t*, const char*) -> const void* { return nullptr; }};
  return registry.create("org.gesso.test.good.scheduler", &host);
}

}  // namespace

TEST_CASE("a library with the digest of its manifest is loaded, twice") {
  const std::string digest =
      base::hash_file(fs::path(GESSO_FIXTURES) / "good/good.so", base::Checksum::Sha256);
  const PluginFolder folder;
  const fs::path plugin = signed_copy(folder, digest);
  for (int i = 0; i < 2; ++i) {
    gesso_component_t* component = make_good(*scan({plugin}));
    CHECK(std::string(component->desc->id) == "org.gesso.test.good.scheduler");
    component->destroy(component->self);
  }
}

TEST_CASE("two libraries with digests do not take each other's place") {
  const fs::path good = fs::path(GESSO_FIXTURES) / "good/good.so",
                 renamed = fs::path(GESSO_FIXTURES) / "renamed/renamed.so";
  const PluginFolder folder;  // copies, so that they are mapped now and not by another test
  for (const fs::path& library : {good, renamed}) fs::copy(library, folder.path());
  const auto load = [&](const fs::path& library) {
    return std::string(registry::load_plugin(folder.path() / library.filename(),
                                             base::hash_file(library, base::Checksum::Sha256),
                                             nullptr)
                           .id);
  };
  CHECK(load(good) == "org.gesso.test.good");
  CHECK(load(renamed) == "org.gesso.test.elsewhere");
}

TEST_CASE("a library that was changed since it was signed is refused with both digests") {
  const PluginFolder folder;
  const fs::path plugin = signed_copy(folder, kNothing);
  const auto registry = scan({plugin});
  REQUIRE(registry->plugins().size() == 1);
  try {
    make_good(*registry);
    FAIL("it was loaded");
  } catch (const Error& error) {
    CAPTURE(error.what());
    CHECK(error.status() == Status::Denied);
    CHECK(has(error.what(), "its SHA-256 is "));
    CHECK(has(error.what(), "expected " + kNothing + "; it was changed or built anew"));
    CHECK(has(error.what(), "gesso plugins sign"));
  }
  CHECK_THROWS_WITH_AS(make_good(*registry), doctest::Contains("its SHA-256 is"), Error);
}

TEST_CASE("what was loaded without a digest does not pass for one that has it") {
  const PluginFolder folder;
  const fs::path library = folder.path() / "good.so";
  fs::copy(fs::path(GESSO_FIXTURES) / "good/good.so", library);
  registry::load_plugin(library, "", nullptr);
  CHECK_THROWS_WITH_AS(registry::load_plugin(library, kNothing, nullptr),
                       doctest::Contains("has loaded it before without comparing it"), Error);
}

TEST_CASE("a digest in a manifest has 64 digits and a library") {
  const PluginFolder folder;
  folder.write_plugin("one", replaced(kManifest, "library", "sha256 = \"12ab\"\nlibrary"));
  CHECK(has(scan({folder.path()})->candidates()[0].reason, "\"12ab\" is no SHA-256"));
}

TEST_CASE("files and folders that everybody may write to are refused, unless they are allowed") {
  const PluginFolder folder;
  const fs::path manifest = folder.write_plugin("deep/one");
  for (const fs::path& open :
       {manifest, manifest.parent_path() / "one.so", manifest.parent_path(), folder.path()}) {
    CAPTURE(open.string());
    const fs::perms before = fs::status(open).permissions();
    fs::permissions(open, before | fs::perms::others_write);
    const auto registry = scan({folder.path()});
    REQUIRE(registry->candidates().size() == 1);
    const std::string reason = registry->candidates()[0].reason;
    CAPTURE(reason);
    CHECK(has(reason, "everybody may write to " + open.string()));
    CHECK(registry->plugins().empty());
    CHECK(scan({folder.path()}, {.plugins = {}, .writable_files = true})->plugins().size() == 1);
    fs::permissions(open, before);
    CHECK(scan({folder.path()})->plugins().size() == 1);
  }
}

TEST_CASE("a plugin of somebody else is refused") {
  if (geteuid() != 0) return;  // only root can give files away
  const PluginFolder folder;
  const fs::path manifest = folder.write_plugin("one");
  REQUIRE(chown((folder.path() / "one.so").c_str(), 12345, 12345) == 0);
  const auto registry = scan({folder.path()});
  CHECK(has(registry->candidates()[0].reason, "one.so belongs to user 12345, expected root or"));
}

TEST_CASE("a refused plugin takes nothing away from the others") {
  const PluginFolder folder;
  folder.write_plugin("bad/one");
  folder.write_plugin("good/two", replaced(kManifest, "org.test.one", "org.test.two"));
  fs::permissions(folder.path() / "bad/one.so", fs::perms::others_write, fs::perm_options::add);
  const auto registry = scan({folder.path()});
  REQUIRE(registry->candidates().size() == 2);
  CHECK_FALSE(registry->candidates()[0].accepted);
  CHECK(registry->plugins().size() == 1);
}

TEST_CASE("an allow list names ids, families and digests") {
  const PluginFolder folder;
  folder.write_plugin("one");  // its library is empty
  const auto found = [&](const char* entry) {
    return scan({folder.path()}, {.plugins = {entry}})->plugins().size();
  };
  for (const std::string& entry :
       {std::string("org.test.one"), std::string("org.test.*"), "sha256:" + kNothing,
        "org.test.one@sha256:" + kNothing, "org.*@sha256:" + kNothing}) {
    CAPTURE(entry);
    CHECK(found(entry.c_str()) == 1);
  }
  const std::string other = replaced(kNothing, "e3", "00");
  for (const std::string& entry :
       {std::string("org.test.two"), std::string("org.test.one.*"), std::string("shipped"),
        "sha256:" + other, "org.test.one@sha256:" + other}) {
    CAPTURE(entry);
    CHECK(found(entry.c_str()) == 0);
  }
  const auto refused =
      scan({folder.path()}, {.plugins = {"org.test.one@sha256:" + other, "org.test.x"}});
  CHECK(has(refused->candidates()[0].reason, "with the SHA-256 " + other + ", found " + kNothing));
  CHECK(has(scan({folder.path()}, {.plugins = {"org.test.two"}})->candidates()[0].reason,
            "\"org.test.one\" is not trusted: trusted_plugins lists org.test.two"));
  CHECK(has(scan({folder.path()}, {.plugins = {"shipped"}})->candidates()[0].reason,
            "\"org.test.one\" is a third party's"));
}

TEST_CASE("an entry that means nothing is an error") {
  for (const char* entry :
       {"", "one", "sha256:12", "org.test.one@sha256:", "org.test@md5:00", "*"}) {
    CAPTURE(entry);
    CHECK_THROWS_WITH_AS(scan({}, {.plugins = {entry}}), doctest::Contains("is no entry; expected"),
                         Error);
  }
}

TEST_CASE("the environment has the allow list when the host has none") {
  const PluginFolder folder;
  folder.write_plugin("one");
  setenv("GESSO_TRUSTED_PLUGINS", "org.test.x,org.test.y", 1);
  SearchOptions options;
  options.given = {folder.path()};
  options.use_default_paths = false;
  CHECK(has(Registry::scan(options)->candidates()[0].reason, "lists org.test.x, org.test.y"));
  options.trust.plugins = {"org.test.one"};
  CHECK(Registry::scan(options)->plugins().size() == 1);
  options.trust.plugins.clear();
  options.use_environment = false;
  CHECK(Registry::scan(options)->plugins().size() == 1);
  unsetenv("GESSO_TRUSTED_PLUGINS");
}

TEST_CASE("what the host registers is its own") {
  const std::string manifest = replaced(kManifest, "library = \"one.so\"\n", "");
  const fs::path path = registry::keep_registered(
      manifest, [](const gesso_host_t*, const gesso_plugin_t**, gesso_error_t*) -> gesso_status_t {
        return GESSO_STATUS_INTERNAL;
      });
  CHECK(scan({path}, {.plugins = {"org.elsewhere.x"}})->plugins().size() == 1);
}
