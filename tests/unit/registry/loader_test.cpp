#include "engine/registry/loader.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "engine/registry/fp_control.hpp"
#include "gesso/cpp/error.hpp"
#include "gesso/kind/scheduler.h"
#include "plugin_folder.hpp"

using namespace gesso;
using gesso::registry::FpControl;
using gesso::registry::PluginInfo;
using gesso::registry::Registry;
using gesso::test::has;
using gesso::test::scan;

namespace fs = std::filesystem;

namespace {

const fs::path kFixtures = GESSO_FIXTURES;

void GESSO_CALL keep_log(const gesso_host_t* host, int32_t, const char* text) {
  static_cast<std::vector<std::string>*>(host->data)->push_back(text);
}

const void* GESSO_CALL no_service(const gesso_host_t*, const char*) { return nullptr; }

/// A host that keeps what is logged.
struct Host {
  std::vector<std::string> log;
  gesso_host_t table{
      sizeof(gesso_host_t), GESSO_ABI_MINOR, &log, "test", "0", keep_log, no_service};
};

std::string component_of(const std::string& fixture) {
  return "org.gesso.test." + fixture + ".scheduler";
}

/// Why the component of a fixture cannot be made.
Error failure(const std::string& fixture, Host& host) {
  const auto registry = scan({kFixtures / fixture});
  REQUIRE_MESSAGE(registry->plugins().size() == 1, registry->candidates()[0].reason);
  try {
    registry->create(component_of(fixture), &host.table);
  } catch (const Error& error) {
    return error;
  }
  return Error(Status::Ok, "created");
}

Error failure(const std::string& fixture) {
  Host host;
  return failure(fixture, host);
}

}  // namespace

TEST_CASE("a component of a plugin in plain C is created and works") {
  const auto registry = scan({kFixtures / "good"});
  Host host;
  gesso_component_t* component = registry->create(component_of("good"), &host.table);
  CHECK(std::string(component->desc->id) == component_of("good"));
  const gesso_setup_t setup{sizeof(gesso_setup_t), 0, nullptr, nullptr};
  REQUIRE(component->prepare(component->self, nullptr, &setup) == GESSO_STATUS_OK);

  const void* table = component->get_interface(component->self, GESSO_SCHEDULER_ID);
  REQUIRE(table);
  gesso_schedule_request_t request{};
  request.struct_size = sizeof request;
  request.n_steps = 4;
  gesso_eval_t evals[4];
  uint32_t count = 0;
  const auto* scheduler = static_cast<const gesso_scheduler_t*>(table);
  REQUIRE(scheduler->plan(component->self, nullptr, &request, evals, 4, &count) == GESSO_STATUS_OK);
  CHECK(count == 4);
  CHECK(evals[1].sigma == 0.75);
  CHECK(evals[3].sigma_next == 0.0);
  component->destroy(component->self);
}

TEST_CASE("a thousand components come and go") {
  const auto registry = scan({kFixtures / "good"});
  Host host;
  for (int i = 0; i < 1000; ++i) {
    gesso_component_t* component = registry->create(component_of("good"), &host.table);
    component->destroy(component->self);
  }
}

TEST_CASE("components are created from several threads and registries at once") {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      const auto registry = scan({kFixtures / "good"});
      Host host;
      for (int n = 0; n < 50; ++n) {
        gesso_component_t* component = registry->create(component_of("good"), &host.table);
        component->destroy(component->self);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("registries of one process share a library") {
  const fs::path library = kFixtures / "good/good.so";
  CHECK(&registry::load_plugin(library, "", nullptr) ==
        &registry::load_plugin(library, "", nullptr));
}

TEST_CASE("each fault of a library is told, with its path") {
  struct Fault {
    const char* fixture;
    Status status;
    std::vector<const char*> expected;
  };
  const Fault faults[] = {
      {"other_major",
       Status::Incompatible,
       {"built for ABI 7, this host speaks ABI 1; rebuild it"}},
      {"other_minor", Status::Incompatible, {"built for ABI 1.9, this host speaks ABI 1.0"}},
      {"no_entry", Status::Incompatible, {"it does not export gesso_plugin_entry_1"}},
      {"no_table", Status::Incompatible, {"its entry succeeded, but gave no table"}},
      {"entry_fails", Status::Denied, {"its entry failed: this plugin needs its dongle"}},
      {"create_fails",
       Status::OutOfMemory,
       {"create \"org.gesso.test.create_fails.scheduler\"", "there is no room for a scheduler"}},
      {"undefined_symbol",
       Status::Incompatible,
       {"the system cannot load it", "undefined symbol: gesso_test_function_that_nobody_has"}},
      {"other_kind",
       Status::Incompatible,
       {"org.gesso.test.other_kind.scheduler is of kind \"codec\", the manifest says \"scheduler\"",
        "its manifest other_kind.gesso.toml differ"}},
      {"renamed",
       Status::Incompatible,
       {"its id is \"org.gesso.test.elsewhere\", the manifest says \"org.gesso.test.renamed\"",
        "org.gesso.test.renamed.scheduler is in the manifest only",
        "the component \"org.gesso.test.elsewhere.scheduler\" is in the library only"}},
  };
  for (const Fault& fault : faults) {
    CAPTURE(fault.fixture);
    const Error error = failure(fault.fixture);
    CAPTURE(error.what());
    CHECK(error.status() == fault.status);
    CHECK(has(error.what(), (kFixtures / fault.fixture / fault.fixture).string() + ".so"));
    for (const char* expected : fault.expected) CHECK(has(error.what(), expected));
  }
}

TEST_CASE("a library that is no library is refused with the loader's own text") {
  const test::PluginFolder folder;
  folder.write_plugin("one");
  folder.write("one.so", "this is text");
  Host host;
  CHECK_THROWS_WITH_AS(scan({folder.path()})->create("org.test.one.denoiser", &host.table),
                       doctest::Contains("file too short"), Error);
}

TEST_CASE("interfaces must be those of the manifest") {
  const gesso_plugin_t& table = registry::load_plugin(kFixtures / "good/good.so", "", nullptr);
  const auto registry = scan({kFixtures / "good"});
  std::vector<registry::ComponentInfo> components = registry->components();
  CHECK_NOTHROW(registry::check_descriptors(table, registry->plugins()[0], components));
  components[0].interfaces.push_back("gesso.training/1");
  CHECK_THROWS_WITH_AS(
      registry::check_descriptors(table, registry->plugins()[0], components),
      doctest::Contains("has the interfaces [gesso.scheduler/1], the manifest says "
                        "[gesso.scheduler/1, gesso.training/1]"),
      Error);
}

TEST_CASE("a library is told apart once: asked again it fails the same way") {
  const std::string first = failure("no_entry").what();
  CHECK(first == failure("no_entry").what());
}

TEST_CASE("what an entry logs reaches the host that wanted the component") {
  const test::PluginFolder folder;  // a copy, so that it is entered now and not by another test
  fs::copy(kFixtures / "entry_fails", folder.path() / "entry_fails");
  Host host;
  CHECK_THROWS(scan({folder.path()})->create(component_of("entry_fails"), &host.table));
  CHECK(host.log == std::vector<std::string>{"the dongle is not plugged in"});
}

#if defined(__x86_64__)
TEST_CASE("a library that flushes denormals is refused and the host computes as before") {
  const FpControl before = FpControl::read();
  for (const char* fixture : {"fast_math", "flushing_entry"}) {
    CAPTURE(fixture);
    for (int attempt = 0; attempt < 2; ++attempt) {
      const Error error = failure(fixture);
      CAPTURE(error.what());
      CHECK(error.status() == Status::Incompatible);
      CHECK(has(error.what(), "changed the floating-point control of the host"));
      CHECK(has(error.what(), "denormal numbers are flushed to zero"));
      CHECK(FpControl::read() == before);
    }
  }
  volatile double tiny = 1e-310;
  CHECK(tiny / 2 > 0);
}
#endif

TEST_CASE("the runtime is compared only when it is known") {
  const PluginInfo none{.id = {},
                        .version = {},
                        .vendor = {},
                        .license = {},
                        .runtime = "none",
                        .manifest = {},
                        .library = {},
                        .permissions = {},
                        .components = {},
                        .variants = {}};
  PluginInfo torch = none;
  torch.runtime = "torch/2.13";
  CHECK_NOTHROW(registry::check_runtime(none, "torch/1.0"));
  for (const char* present : {"torch/2.13", "torch/2.13.1", "torch/2.13+cpu"})
    CHECK_NOTHROW(registry::check_runtime(torch, present));
  for (const char* present : {"torch/2.1", "torch/2.130", "torch/2.12.0", ""})
    CHECK_THROWS_WITH_AS(registry::check_runtime(torch, present),
                         doctest::Contains("built for torch/2.13, this process runs"), Error);
}

TEST_CASE("a plugin of another runtime is refused before its library is touched") {
  const test::PluginFolder folder;
  folder.write_plugin("one", test::replaced(test::kManifest, "\"none\"", "\"torch/1.2\""));
  const auto registry = Registry::scan({.given = {folder.path()},
                                        .use_environment = false,
                                        .use_default_paths = false,
                                        .runtime_version = [] { return "torch/2.13.0"; }});
  Host host;
  CHECK_THROWS_WITH_AS(
      registry->create("org.test.one.denoiser", &host.table),
      doctest::Contains("built for torch/1.2, this process runs torch/2.13.0; rebuild it"), Error);
}

TEST_CASE("loading all turns what fails into refused candidates") {
  const auto registry = scan({kFixtures});
  const size_t all = registry->candidates().size();
  CHECK(registry->plugins().size() == all);
  registry->load_all();
  CHECK(registry->candidates().size() == all);
  REQUIRE(registry->plugins().size() == 2);
  CHECK(registry->plugins()[0].id == "org.gesso.test.create_fails");
  CHECK(registry->plugins()[1].id == "org.gesso.test.good");
  CHECK(registry->components().size() == 2);
  for (const auto& candidate : registry->candidates()) {
    CAPTURE(candidate.path.string());
    CHECK(candidate.accepted == candidate.reason.empty());
  }
}
