// Tensors and weights cross the plugin boundary by their addresses.
#include <ATen/ops/arange.h>
#include <doctest/doctest.h>

#include "gesso/cpp/torch.hpp"
#include "probe.hpp"
#include "runtime/operation_run.hpp"
#include "small_weights.hpp"

using namespace gesso;
using namespace gesso::test;

TEST_CASE("tensors cross in both ways without a copy, under watch as well") {
  for (const bool is_checked : {false, true}) {
    CAPTURE(is_checked);
    ProbeHost host(is_checked, nullptr);
    const runtime::Watch nobody;
    const runtime::CallScope call(nobody);
    const at::Tensor x = at::arange(6, at::kFloat).slice(0, 2);  // begins inside of its storage
    runtime::OperationRun run(host.component, "echo");
    runtime::OperationResults results = run.feed("x", {x}).run(call, {});
    const at::Tensor y = runtime::take(results, "y", 1, "the probe").front();
    CHECK(Probe::seen == x.data_ptr());
    CHECK(y.data_ptr() == x.data_ptr());
    CHECK(y.sizes() == x.sizes());
    CHECK(host.problems.empty());
  }
}

TEST_CASE("weights of the type that is asked for are used where the file is mapped") {
  for (const bool is_checked : {false, true}) {
    CAPTURE(is_checked);
    const SmallWeights file;
    const auto mapped = file.map();
    runtime::Devices devices{{64 << 10, 0}};
    gesso_weights weights("org.test.probe", "denoiser", mapped, weights::DType::F32, devices,
                          nullptr);
    ProbeHost host(is_checked, &weights);
    const void* shown = nullptr;
    Probe::inside = [&](const Call& call, const Unit& unit) {
      shown = unit.enter(call)[0].parts[0]->dl_tensor.data;
    };
    const runtime::Watch nobody;
    const runtime::CallScope call(nobody);
    ModuleRef(host.component).run(call.get(), "inside", {});
    CHECK(shown == mapped->find("matrix")->data().bytes.data());
    CHECK(host.problems.empty());
  }
}
