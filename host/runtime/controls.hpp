// The ControlNets of a request: their contexts, and which of them act at a step.
#pragma once

#include <vector>

#include "runtime/injector.hpp"
#include "runtime/run.hpp"
#include "runtime/tiles.hpp"

namespace gesso::runtime {

class Controls {
 public:
  /// Preprocesses and encodes the pictures of every controlnet_inputs entry; each tile gets its
  /// part of the contexts.
  Controls(const Run& run, const std::vector<Tile>& tiles);

  /// The injectors of a tile that act at step `k` of `n`: those whose part [start, end] of the
  /// steps holds the whole step, as in diffusers.
  std::vector<const gesso_injector*> at_step(size_t k, size_t n, size_t tile) const;
  bool empty() const { return active_.empty(); }

 private:
  struct Active {
    OpenInjector injector;
    double start, end;
    size_t tile;
  };
  std::vector<Active> active_;
};

/// What the pictures of a control become: its preprocessor, then the controller's "context".
/// @param index  of the control, for messages
at::Tensor control_context(const Run& run, const ControlNetInput& input, size_t index);

/// Refuses a request whose ControlNets cannot work in this pipeline, before any work.
/// @throws Error  NotFound, NotSupported or InvalidArgument
void check_controls(const Parts& parts, const GenerateRequest& request);

}  // namespace gesso::runtime
