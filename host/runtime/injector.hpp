// A controller's injector for one context, closed at the end of its life.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "gesso/ext/injection.h"
#include "runtime/instance.hpp"

namespace gesso::runtime {

struct CloseInjector {
  const Instance* controller;
  void operator()(const gesso_injector_t* injector) const;
};
using OpenInjector = std::unique_ptr<const gesso_injector_t, CloseInjector>;

/// Must not outlive `controller`.
/// @throws Error  NotSupported when a side lacks the interface; the controller's own
OpenInjector open_injector(const Instance& controller, const Instance& denoiser,
                           const CallScope& call, const at::Tensor& context, double scale);

}  // namespace gesso::runtime
