// The components that cases run, found and driven as the host does it: through the plugin ABI.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "case.hpp"
#include "runtime/operation_run.hpp"
#include "runtime/parts.hpp"

namespace gesso::golden {

/// Ids of the components under test, by the name that cases use.
const registry::ComponentInfo& component_info(registry::Registry& registry,
                                              const std::string& kind);

/// What the case says of one component's weights, as a checked part of a pipeline. `id`: another
/// component than the usual one of that role.
config::ComponentPlan weights_plan(registry::Registry& registry, const Case& golden,
                                   const std::string& case_name, const std::string& role,
                                   const std::string& dtype, const std::string& id = {});
/// A component without weights.
config::ComponentPlan plain_plan(registry::Registry& registry, const std::string& role,
                                 nlohmann::json values = nlohmann::json::object(),
                                 const std::string& id = {});

/// One component alone, for cases that need no pipeline.
class Bench : public runtime::Siblings {
 public:
  Bench(std::shared_ptr<registry::Registry> registry, const config::ComponentPlan& plan,
        const std::string& numerics);
  runtime::Instance& instance() { return *instance_; }
  runtime::Instance* find(const std::string&) const override { return nullptr; }
  std::string roles() const override { return "none"; }

  /// Runs an operation; the results by "port.index".
  Tensors run(const std::string& operation,
              const std::vector<std::pair<std::string, std::vector<at::Tensor>>>& lists,
              const std::vector<std::pair<std::string, at::Tensor>>& whole,
              const ValueList& values);

 private:
  config::PipelinePlan pipeline_;
  runtime::Messages messages_;
  runtime::BoundaryClock clock_;
  runtime::Devices devices_;
  std::unique_ptr<runtime::Instance> instance_;
};

}  // namespace gesso::golden
