// The components of a loaded pipeline, by role.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/instance.hpp"

namespace gesso::runtime {

class Parts : public Siblings {
 public:
  /// Creates and prepares every component of the plan; tells each one as a step of stage "load".
  /// @throws Error  the component's own, with its place in the file; Cancelled
  Parts(const config::PipelinePlan& plan, const Watch& watch, const SimSettings& sim = {});

  Instance* find(const std::string& role) const override;
  std::string roles() const override;
  /// @throws Error  NotFound naming the roles that there are
  Instance& get(const std::string& role) const;
  const std::vector<std::unique_ptr<Instance>>& all() const { return instances_; }

  /// Makes a component that fills no role, such as the reader of a LoRA file.
  std::unique_ptr<Instance> make(const config::ComponentPlan& plan) const;

  Messages& messages() const { return messages_; }
  BoundaryClock& clock() const { return clock_; }
  Devices& devices() const { return devices_; }

 private:
  const config::PipelinePlan& plan_;
  mutable Devices devices_;
  mutable Messages messages_;
  mutable BoundaryClock clock_;
  std::vector<std::unique_ptr<Instance>> instances_;
};

/// Lets plugins talk to a job while it runs.
class Attached {
 public:
  Attached(Messages& messages, const Watch& watch) : messages_(messages) {
    messages_.attach(&watch);
  }
  ~Attached() { messages_.attach(nullptr); }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

 private:
  Messages& messages_;
};

}  // namespace gesso::runtime
