// Asks the memory policy where units of weights are to be, and moves them there.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/parts.hpp"

namespace gesso::runtime {

class Memory {
 public:
  /// Gets a plan for every unit of every component and places each as for ONLOAD.
  /// @throws Error  the policy's own; NotSupported for a place that this host cannot serve
  explicit Memory(const Parts& parts);

  /// Another component begins its part.
  void enter_phase(const std::string& role);

 private:
  const Instance& policy_;
  std::vector<std::pair<gesso_weights*, size_t>> units_;  // in the policy's order
};

}  // namespace gesso::runtime
