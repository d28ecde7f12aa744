// A component in a child process works like any other, and its faults are errors.
#include "isolation/proxy.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "odd_host.hpp"

using namespace gesso;
using gesso::test::denoise;
using gesso::test::Isolated;
using gesso::test::odd_registry;
using gesso::test::OddCall;
using gesso::test::OddHost;

namespace {

std::vector<double> plan(Isolated& component, OddCall& call, const std::string& fault = "") {
  const auto& table = component.interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  ValueList values;
  values.set_text("fault", fault);
  const gesso_schedule_request_t request{sizeof request, 4, 1.0, 0, values.data(), values.size()};
  gesso_eval_t evals[8];
  uint32_t count = 0;
  check_call(table.plan(component.self(), &call.table, &request, evals, 8, &count), &call.table);
  std::vector<double> sigmas;
  for (uint32_t i = 0; i < count; ++i) sigmas.push_back(evals[i].sigma);
  return sigmas;
}

std::string failure(Isolated& component, const std::string& fault) {
  OddCall call;
  try {
    plan(component, call, fault);
  } catch (const Error& error) {
    return error.what();
  }
  return "no failure";
}

const std::vector<double> kEven{1, 0.75, 0.5, 0.25};

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a scheduler plans in a child process") {
  OddHost host;
  Isolated component(host, "scheduler");
  CHECK(std::string(component.get()->desc->id) == "org.gesso.test.odd.scheduler");
  OddCall call;
  component.prepare(call);
  const auto& table = component.interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  CHECK(table.prediction == GESSO_PREDICTION_VELOCITY);
  CHECK(plan(component, call) == kEven);
  CHECK(host.heard("planning"));
  double timestep = 0, sigma = 0, weight = 1;
  const gesso_schedule_request_t request{sizeof request, 4, 1.0, 0, nullptr, 0};
  CHECK(table.train_point(component.self(), &call.table, &request, 0.25, &timestep, &sigma,
                          &weight) == GESSO_STATUS_OK);
  CHECK(timestep == 250);
  CHECK(sigma == 0.25);
  CHECK(component.get()->get_interface(component.self(), "gesso.nothing/1") == nullptr);
}

TEST_CASE("an evaluation that does not fit is told by the count") {
  OddHost host;
  Isolated component(host, "scheduler");
  OddCall call;
  component.prepare(call);
  const auto& table = component.interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  const gesso_schedule_request_t request{sizeof request, 5, 1.0, 0, nullptr, 0};
  gesso_eval_t evals[2] = {};
  uint32_t count = 0;
  CHECK(table.plan(component.self(), &call.table, &request, evals, 2, &count) == GESSO_STATUS_OK);
  CHECK(count == 5);
  CHECK(evals[1].sigma == 0.8);
}

TEST_CASE("tensors go to a child and come back") {
  OddHost host;
  Isolated component(host, "denoiser");
  OddCall call;
  component.prepare(call);
  CHECK(denoise(component.get(), call, {1, -2, 3}) == std::vector<float>{1, -2, 3});
  CHECK(call.told == std::vector<std::string>{"half"});
  const std::vector<float> large(3 << 20, 0.25f);
  CHECK(denoise(component.get(), call, large) == large);
  const Tensor shape = Tensor::empty(kF32, std::vector<int64_t>{4, 5, 6});
  CHECK(ModuleRef(component.get())
            .estimate(&call.table, "denoise", {{"latents", 0, shape.get()}})
            .peak_bytes == 120);
}

TEST_CASE("strided tensors arrive as their elements") {
  OddHost host;
  Isolated component(host, "denoiser");
  OddCall call;
  component.prepare(call);
  const Tensor tensor = Tensor::empty(kF32, std::vector<int64_t>{1, 2, 3});
  for (size_t i = 0; i < 6; ++i) elements<float>(tensor.dl())[i] = static_cast<float>(i);
  int64_t shape[] = {1, 3, 2}, strides[] = {6, 1, 3};
  tensor.get()->dl_tensor.shape = shape;
  tensor.get()->dl_tensor.strides = strides;
  const auto outputs =
      ModuleRef(component.get()).run(&call.table, "denoise", {{"latents", 0, tensor.get()}});
  const auto made = elements<float>(outputs[0].tensor.dl());
  CHECK(std::vector<float>(made.begin(), made.end()) == std::vector<float>{0, 3, 1, 4, 2, 5});
}

TEST_CASE("an error of the plugin crosses with status and text") {
  OddHost host;
  Isolated component(host, "scheduler");
  OddCall call;
  component.prepare(call);
  try {
    plan(component, call, "refuse");
    FAIL("no failure");
  } catch (const Error& error) {
    CHECK(error.status() == Status::NotFound);
    CHECK(std::string(error.what()) == "the spiral is not here");
  }
  CHECK(plan(component, call) == kEven);
}

TEST_CASE("the end of the process is an error that names plugin and signal, and is not the end") {
  OddHost host;
  Isolated component(host, "scheduler");
  OddCall call;
  ValueList values;
  values.set_real("shift", 0.5);
  component.prepare(call, values);
  for (const auto& [fault, how] : {std::pair{"crash", "signal 6 (Aborted)"},
                                   std::pair{"null", "signal 11 (Segmentation fault)"},
                                   std::pair{"exit", "exit with code 3"}}) {
    CAPTURE(fault);
    const std::string text = failure(component, fault);
    CAPTURE(text);
    CHECK(has(text, "org.gesso.test.odd.scheduler"));
    CHECK(has(text, "its process ended"));
    CHECK(has(text, how));
    // Another process, prepared with the same values.
    CHECK(plan(component, call) == std::vector<double>{1.5, 1.25, 1, 0.75});
    CHECK(host.heard("another one is started"));
  }
}

TEST_CASE("a child that lies is ended, and the next call works") {
  OddHost host;
  Isolated component(host, "scheduler");
  OddCall call;
  component.prepare(call);
  for (const char* fault : {"noise", "flood", "history"}) {
    CAPTURE(fault);
    const std::string text = failure(component, fault);
    CAPTURE(text);
    CHECK(has(text, "it broke the protocol"));
    CHECK(has(text, "org.gesso.test.odd.scheduler"));
    CHECK(plan(component, call) == kEven);
  }
}

TEST_CASE("a child cannot take shared memory away from its host") {
  OddHost host;
  Isolated component(host, "scheduler");
  OddCall call;
  component.prepare(call);
  CHECK(plan(component, call, "shrink") == kEven);
}

TEST_CASE("cancel reaches the child") {
  OddHost host;
  Isolated component(host, "denoiser");
  OddCall call;
  component.prepare(call);
  call.cancel = true;
  CHECK_THROWS_WITH_AS(denoise(component.get(), call, {1}, "obey"), doctest::Contains("cancelled"),
                       Error);
  OddCall next;
  CHECK(denoise(component.get(), next, {1}) == std::vector<float>{1});
}

TEST_CASE("a child that goes on after a cancel is ended") {
  OddHost host;
  isolation::Options options;
  const auto registry = odd_registry();
  options.program = GESSO_BINARY_DIR "/lib/gesso/gesso-plugin-host";
  options.library = registry->plugins()[0].library;
  options.component = "org.gesso.test.odd.denoiser";
  options.kind = "denoiser";
  options.interfaces = {"gesso.module/1"};
  options.cancel_seconds = 0.2;
  gesso_component_t* component = isolation::open_proxy(options, &host.table);
  OddCall call;
  const gesso_setup_t setup{sizeof(gesso_setup_t), 0, nullptr, nullptr};
  REQUIRE(component->prepare(component->self, &call.table, &setup) == GESSO_STATUS_OK);
  call.cancel = true;
  try {
    denoise(component, call, {1}, "hang");
    FAIL("no failure");
  } catch (const Error& error) {
    CAPTURE(error.what());
    CHECK(error.status() == Status::Cancelled);
    CHECK(has(error.what(), "did not stop within 0.2 s after it was cancelled: signal 9 (Killed)"));
  }
  CHECK(host.heard("did not stop within"));
  component->destroy(component->self);
}

TEST_CASE("a fault in prepare is an error of prepare") {
  OddHost host;
  Isolated component(host, "scheduler");
  OddCall call;
  ValueList values;
  values.set_text("fault", "null");
  CHECK_THROWS_WITH_AS(component.prepare(call, values), doctest::Contains("signal 11"), Error);
}

TEST_CASE("what cannot be isolated says why") {
  OddHost host;
  CHECK_THROWS_WITH_AS(
      Isolated(host, "composer"),
      doctest::Contains("org.gesso.test.odd.composer: a composer cannot run in a child process"),
      Error);
}

TEST_CASE("loading everything tries isolated components where they run") {
  registry::SearchOptions options;
  options.given = {GESSO_ODD_PLUGIN};
  options.use_environment = options.use_default_paths = false;
  options.isolation.ids = {"org.gesso.test.odd.scheduler", "org.gesso.test.odd.denoiser"};
  const auto registry = registry::Registry::scan(options);
  registry->load_all();
  CHECK(registry->plugins().size() == 1);
  options.isolation.ids = {"org.gesso.test.odd"};  // with its composer
  const auto all = registry::Registry::scan(options);
  all->load_all();
  CHECK(has(all->candidates()[0].reason, "a composer cannot run in a child process"));
}

TEST_CASE("a library that cannot be loaded is told with the loader's words") {
  OddHost host;
  isolation::Options options;
  options.program = GESSO_BINARY_DIR "/lib/gesso/gesso-plugin-host";
  options.library = GESSO_ODD_PLUGIN "/odd.gesso.toml";
  options.component = "org.gesso.test.odd.denoiser";
  options.kind = "denoiser";
  CHECK_THROWS_WITH_AS(isolation::open_proxy(options, &host.table),
                       doctest::Contains("the system cannot load it"), Error);
  options.program = "/nowhere/gesso-plugin-host";
  CHECK_THROWS_WITH_AS(isolation::open_proxy(options, &host.table),
                       doctest::Contains("cannot be started"), Error);
}

TEST_CASE("processes and descriptors do not pile up") {
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  OddHost host;
  { Isolated first(host, "scheduler"); }
  const auto before = open_files();
  for (int i = 0; i < 20; ++i) {
    Isolated component(host, "scheduler");
    OddCall call;
    component.prepare(call);
    if (i % 2) failure(component, "crash");
  }
  CHECK(open_files() == before);
}

TEST_CASE("what a call costs") {
  OddHost host;
  Isolated component(host, "scheduler");
  OddCall call;
  component.prepare(call);
  const auto start = std::chrono::steady_clock::now();
  constexpr int kCalls = 2000;
  for (int i = 0; i < kCalls; ++i) plan(component, call);
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  MESSAGE("a call of plan in a child process: " << took.count() / kCalls << " us");
  CHECK(took.count() / kCalls < 10000);
}
