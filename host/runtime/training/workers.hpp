// The processes of one training run: who this one is, and sums over all of them.
//
// So far there is one: a launcher's WORLD_SIZE above 1 is refused.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/data/dataset.hpp"

namespace gesso::runtime {

class Workers {
 public:
  virtual ~Workers() = default;
  virtual data::Worker self() const = 0;
  bool first() const { return self().rank == 0; }
  /// The mean over all workers, in place; all call it with the same shapes in the same order.
  virtual void average(std::vector<at::Tensor>& tensors) = 0;
  /// The same numbers for all: those of the first.
  virtual void broadcast(std::vector<at::Tensor>& tensors) = 0;
};

/// By the environment. @throws Error  NotSupported for several
std::unique_ptr<Workers> join_workers();

}  // namespace gesso::runtime
