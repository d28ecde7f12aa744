// The entry of the runtime library.
#include "runtime/runtime.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>

#include "gesso/abi.h"
#include "runtime/generation.hpp"
#include "runtime/machine.hpp"
#include "runtime/opened_adapter.hpp"
#include "runtime/training/initial_weights.hpp"

namespace gesso::runtime {
namespace {

/// The pipeline of a recipe without the components that have no weights here, and with those that
/// begin untrained.
config::PipelinePlan trained_pipeline(const config::TrainPlan& plan) {
  config::PipelinePlan pipeline = plan.pipeline;
  if (plan.stage != config::Stage::DataProcess) {
    for (const auto& role : plan.untrained_roles) begin_untrained(pipeline, role, plan.seed);
  }
  std::erase_if(pipeline.components, [&](const config::ComponentPlan& component) {
    return std::find(plan.absent_roles.begin(), plan.absent_roles.end(), component.role) !=
           plan.absent_roles.end();
  });
  return pipeline;
}

/// No more than OpenMP will give: with fewer threads than it counts on, libtorch 2.13 makes wrong
/// gradients of attention.
void set_threads(int wanted) {
  const char* text = std::getenv("OMP_THREAD_LIMIT");
  const int limit = text ? std::atoi(text) : 0;
  if (limit > 0) wanted = std::min(limit, wanted ? wanted : at::get_num_threads());
  if (wanted) at::set_num_threads(wanted);
}

class TorchRuntime : public Runtime {
 public:
  std::unique_ptr<Pipeline> load(const config::PipelinePlan& plan, const Watch& watch) override {
    return std::make_unique<LoadedPipeline>(plan, watch);
  }
  nlohmann::json train(const config::TrainPlan& plan, TrainReport& report,
                       const Watch& watch) override {
    return LoadedPipeline(trained_pipeline(plan), watch).train(plan, report, watch);
  }
  nlohmann::json machine() override { return machine_json(); }
  nlohmann::json measure(const Watch& watch) override { return measure_gemm(watch); }
};

}  // namespace
}  // namespace gesso::runtime

extern "C" GESSO_EXPORT gesso::runtime::AdapterTools* gesso_adapter_tools() {
  static gesso::runtime::TorchAdapterTools tools;
  return &tools;
}

extern "C" GESSO_EXPORT gesso::runtime::Runtime* gesso_runtime_create(uint32_t threads) {
  gesso::runtime::set_threads(static_cast<int>(threads));
  return new gesso::runtime::TorchRuntime();
}
