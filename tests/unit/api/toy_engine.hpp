// An engine with a plugin that is never loaded and a runtime that paints gray squares.
#pragma once

#include <filesystem>

#include "engine/api/handles.hpp"

namespace gesso::test {

/// How the runtime takes prompts:
///   "fail"   throws gesso::Error(Numeric) in the middle
///   "crash"  throws something else
///   "slow"   goes on until it is cancelled
/// Anything else gives a picture whose bytes are all the seed's lowest 8 bits. Prompts that begin
/// with "refuse" do not pass the check.
class ToyRuntime : public runtime::Runtime {
 public:
  std::unique_ptr<runtime::Pipeline> load(const config::PipelinePlan& plan,
                                          const runtime::Watch& watch) override;
  nlohmann::json machine() override { return {{"libtorch", "0.0.0"}}; }
  nlohmann::json train(const config::TrainPlan& plan, runtime::TrainReport& report,
                       const runtime::Watch& watch) override;
  nlohmann::json measure(const runtime::Watch& watch) override;
};

inline std::filesystem::path toy_plugins() {
  return std::filesystem::path(GESSO_SOURCE_DIR) / "tests/unit/api/fixtures";
}

gesso_engine_t* toy_engine();

}  // namespace gesso::test
