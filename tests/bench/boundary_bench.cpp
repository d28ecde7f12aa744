// gesso-bench-boundary: what a call through each hot path of the plugin boundary costs, without and
// with GESSO_CHECK. No path computes anything: what is measured is the crossing.
#include <ATen/ops/zeros.h>
#include <benchmark/benchmark.h>

#include "engine/check/object.hpp"
#include "engine/registry/registry.hpp"
#include "gesso/kind/memory_policy.h"
#include "gesso/kind/scheduler.h"
#include "probe.hpp"
#include "runtime/operation_run.hpp"
#include "small_weights.hpp"

namespace {

using namespace gesso;
using namespace gesso::test;

const runtime::Watch kNobody;

/// Weights, the probe that uses them, and a request.
struct Bench {
  explicit Bench(benchmark::State& state) : host(state.range(0) != 0, &weights) {}
  SmallWeights file;
  runtime::Devices devices{{64 << 10, 0}};
  gesso_weights weights{"org.test.probe",    "denoiser", file.map(),
                        weights::DType::F32, devices,    nullptr};
  ProbeHost host;
  runtime::CallScope call{kNobody};
};

/// Measures `body(call, unit)` inside of a call of the component.
template <class Body>
void inside(benchmark::State& state, Body body) {
  Bench bench(state);
  Probe::inside = [&](const Call& call, const Unit& unit) {
    for (auto _ : state) body(call, unit);
  };
  ModuleRef(bench.host.component).run(bench.call.get(), "inside", {});
}

void cancelled(benchmark::State& state) {
  inside(state, [](const Call& call, const Unit&) { benchmark::DoNotOptimize(call.cancelled()); });
}
void enter_and_leave(benchmark::State& state) {
  inside(state, [](const Call& call, const Unit& unit) {
    benchmark::DoNotOptimize(unit.enter(call)[0].parts[0]);
  });
}
void prefetch(benchmark::State& state) {
  inside(state, [](const Call&, const Unit& unit) { unit.prefetch(); });
}

/// A run with one tensor each way, as the tables have it.
void run_and_accept(benchmark::State& state) {
  Bench bench(state);
  const auto& module = *static_cast<const gesso_module_t*>(
      bench.host.component->get_interface(bench.host.component->self, GESSO_MODULE_ID));
  const runtime::Lent x(at::zeros({16}));
  const gesso_item_t item{0, 0, x.get()};
  const gesso_bundle_t inputs{sizeof inputs, 1, &item};
  const gesso_sink_t outputs{
      sizeof outputs, 0, nullptr,
      [](const gesso_sink_t*, uint32_t, int32_t, gesso_tensor_t* tensor) -> gesso_status_t {
        if (tensor->deleter) tensor->deleter(tensor);
        return GESSO_STATUS_OK;
      }};
  const gesso_run_t run{sizeof run, 0, &inputs, &outputs, nullptr, 0, nullptr, 0};
  for (auto _ : state) module.run(bench.host.component->self, bench.call.get(), &run);
}
/// The same with libtorch's tensors in the host.
void run_with_tensors(benchmark::State& state) {
  Bench bench(state);
  const at::Tensor x = at::zeros({16});
  for (auto _ : state) {
    runtime::OperationRun run(bench.host.component, "echo");
    benchmark::DoNotOptimize(run.feed("x", {x}).run(bench.call, {}));
  }
}

/// A component of a plugin of this tree, from its library.
struct InTree {
  InTree(benchmark::State& state, const std::string& id) {
    registry::SearchOptions options;
    options.given = {GESSO_BINARY_DIR "/lib/gesso/plugins"};
    options.use_environment = options.use_default_paths = false;
    if (state.range(0)) options.watcher = std::make_shared<checking::Watcher>(nullptr);
    registry = registry::Registry::scan(options);
    component = registry->create(id, &host);
    const gesso_setup_t setup{sizeof setup, 0, nullptr, nullptr};
    check_call(component->prepare(component->self, call.get(), &setup), call.get());
  }
  ~InTree() { component->destroy(component->self); }
  template <class Table>
  const Table& interface(const char* id) const {
    return *static_cast<const Table*>(component->get_interface(component->self, id));
  }
  gesso_host_t host{sizeof(gesso_host_t),
                    GESSO_ABI_MINOR,
                    nullptr,
                    "bench",
                    "0",
                    [](const gesso_host_t*, int32_t, const char*) {},
                    [](const gesso_host_t*, const char*) -> const void* { return nullptr; }};
  runtime::CallScope call{kNobody};
  std::shared_ptr<registry::Registry> registry;
  gesso_component_t* component = nullptr;
};

void get_interface(benchmark::State& state) {
  const InTree policy(state, "org.gesso.resident.policy");
  for (auto _ : state)
    benchmark::DoNotOptimize(&policy.interface<gesso_memory_policy_t>(GESSO_MEMORY_POLICY_ID));
}
void memory_event(benchmark::State& state) {
  const InTree policy(state, "org.gesso.resident.policy");
  const auto& table = policy.interface<gesso_memory_policy_t>(GESSO_MEMORY_POLICY_ID);
  gesso_memory_event_t event{};
  event.struct_size = sizeof event;
  event.type = GESSO_MEMORY_LEAVE;
  gesso_move_t moves[4];
  for (auto _ : state)
    benchmark::DoNotOptimize(table.on_event(policy.component->self, &event, moves, 4));
}
void train_point(benchmark::State& state) {
  const InTree scheduler(state, "org.gesso.flow_match.scheduler");
  const auto& table = scheduler.interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  const gesso_schedule_request_t request{sizeof request, 8, 1.0, 4096, nullptr, 0};
  double timestep, sigma, weight;
  for (auto _ : state) {
    table.train_point(scheduler.component->self, scheduler.call.get(), &request, 0.5, &timestep,
                      &sigma, &weight);
    benchmark::DoNotOptimize(sigma);
  }
}

}  // namespace

BENCHMARK(get_interface)->ArgName("check")->Arg(0)->Arg(1);
BENCHMARK(cancelled)->ArgName("check")->Arg(0)->Arg(1);
BENCHMARK(enter_and_leave)->ArgName("check")->Arg(0)->Arg(1);
BENCHMARK(prefetch)->ArgName("check")->Arg(0)->Arg(1);
BENCHMARK(memory_event)->ArgName("check")->Arg(0)->Arg(1);
BENCHMARK(train_point)->ArgName("check")->Arg(0)->Arg(1);
BENCHMARK(run_and_accept)->ArgName("check")->Arg(0)->Arg(1);
BENCHMARK(run_with_tensors)->ArgName("check")->Arg(0)->Arg(1);
BENCHMARK_MAIN();
