// The entry of the runtime library.
#include "runtime/runtime.hpp"

#include <ATen/Parallel.h>

#include "gesso/abi.h"
#include "runtime/generation.hpp"
#include "runtime/machine.hpp"

namespace gesso::runtime {
namespace {

class TorchRuntime : public Runtime {
 public:
  std::unique_ptr<Pipeline> load(const config::PipelinePlan& plan, const Watch& watch) override {
    return std::make_unique<LoadedPipeline>(plan, watch);
  }
  nlohmann::json machine() override { return machine_json(); }
  nlohmann::json measure(const Watch& watch) override { return measure_gemm(watch); }
};

}  // namespace
}  // namespace gesso::runtime

extern "C" GESSO_EXPORT gesso::runtime::Runtime* gesso_runtime_create(uint32_t threads) {
  if (threads) at::set_num_threads(static_cast<int>(threads));
  return new gesso::runtime::TorchRuntime();
}
