#include "runtime/injector.hpp"

#include "gesso/kind/controller.h"
#include "runtime/operation_run.hpp"

namespace gesso::runtime {
namespace {

const gesso_controller_t& table_of(const Instance& controller) {
  return controller.interface<gesso_controller_t>(GESSO_CONTROLLER_ID);
}

}  // namespace

void CloseInjector::operator()(const gesso_injector_t* injector) const {
  table_of(*controller).close(controller->self(), injector);
}

OpenInjector open_injector(const Instance& controller, const Instance& denoiser,
                           const CallScope& call, const at::Tensor& context, double scale) {
  const auto& injection = denoiser.interface<gesso_injection_t>(GESSO_INJECTION_ID);
  const gesso_point_t* const* points = nullptr;
  uint32_t n_points = 0;
  ErrorText error;
  gesso::check(injection.points(denoiser.self(), &points, &n_points, &error.error), error,
               denoiser.plan().info->id);

  const Lent lent(context);
  const gesso_injector_t* injector = nullptr;
  check_call(
      table_of(controller)
          .open(controller.self(), call.get(), lent.get(), scale, points, n_points, &injector),
      call.get());
  return {injector, CloseInjector{&controller}};
}

}  // namespace gesso::runtime
