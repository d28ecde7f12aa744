#include "runtime/instance.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/registry/isolating.hpp"
#include "engine/registry/json_values.hpp"
#include "gesso/service/components.h"
#include "gesso/service/random.h"
#include "runtime/sampling.hpp"

namespace gesso::runtime {
namespace {

weights::DType compute_type(const config::ComponentPlan& plan) {
  if (plan.dtype == "f32") return weights::DType::F32;
  if (plan.dtype == "bf16") return weights::DType::BF16;
  throw Error(Status::InvalidArgument, fmt::format("{}: dtype \"{}\" is no compute type; there are "
                                                   "\"bf16\" and \"f32\"",
                                                   plan.where, plan.dtype));
}

/// Lists that meant nothing are mistakes; weights that are quantised already are told.
void check_storing(const weights::Storing& storing, const config::ComponentPlan& plan,
                   const Messages& messages) {
  if (const auto unused = storing.unused(); !unused.empty()) {
    throw Error(Status::InvalidArgument,
                fmt::format("target_modules or exclude_modules: no module is called \"{}\"",
                            fmt::join(unused, "\" or \"")));
  }
  if (!plan.storage_warning.empty()) messages.log(GESSO_LOG_WARNING, plan.storage_warning);
  if (storing.kept().empty()) return;
  messages.log(GESSO_LOG_WARNING,
               fmt::format("{}: {} weights are quantised in the file and stay so, whatever storage "
                           "says; the first is {}",
                           plan.role, storing.kept().size(), storing.kept().front()));
}

gesso_status_t GESSO_CALL random_normal(uint64_t seed, DLTensor* out, gesso_error_t* error) {
  return guard(error, [&] {
    const auto filled = elements<float>(*out);
    const at::Tensor noise =
        initial_noise(seed, 1, 1, static_cast<int64_t>(filled.size()), at::kFloat);
    std::copy_n(noise.const_data_ptr<float>(), filled.size(), filled.data());
  });
}

}  // namespace

void Messages::log(int32_t level, const std::string& text) const {
  const Watch* watch = watch_;
  if (!watch || level < GESSO_LOG_INFO) return;
  Event event;
  event.type = level >= GESSO_LOG_WARNING ? Event::Warning : Event::Info;
  event.text = text;
  watch->event(event);
}

CallScope::CallScope(const Watch& watch, uint32_t flags) {
  call_ = {};
  call_.struct_size = sizeof call_;
  call_.flags = flags;
  call_.data = const_cast<Watch*>(&watch);
  call_.device = {kDLCPU, 0};
  call_.error = &text_.error;
  call_.cancelled = [](const gesso_call_t* call) -> int32_t {
    return static_cast<const Watch*>(call->data)->cancelled();
  };
  call_.progress = [](const gesso_call_t* call, uint64_t done, uint64_t total, const char* what) {
    Event event;
    event.type = Event::Step;
    event.stage = what ? what : "";
    event.step = done;
    event.total = total;
    static_cast<const Watch*>(call->data)->event(event);
  };
}

/// The C struct that a component sees as its host. The table comes first, so that its address is
/// the address of this.
struct Instance::HostSide {
  gesso_host_t table{};
  const Siblings* siblings = nullptr;
  const Messages* messages = nullptr;
  std::string role;

  static const HostSide& of(const gesso_host_t* host) {
    return *static_cast<const HostSide*>(host->data);
  }
  static const void* GESSO_CALL get_service(const gesso_host_t*, const char* id) {
    static const gesso_components_service_t components{sizeof(gesso_components_service_t), 0, find};
    static const gesso_random_service_t random{sizeof(gesso_random_service_t), 0, random_normal};
    const std::string_view wanted = id ? id : "";
    if (wanted == GESSO_WEIGHTS_ID) return &gesso_weights::service();
    if (wanted == GESSO_COMPONENTS_ID) return &components;
    if (wanted == GESSO_RANDOM_ID) return &random;
    return nullptr;
  }
  static gesso_status_t GESSO_CALL find(const gesso_host_t* host, const char* role,
                                        gesso_component_t** out, gesso_error_t* error) {
    return guard(error, [&] {
      const Instance* found = of(host).siblings->find(role ? role : "");
      if (!found) {
        throw Error(Status::NotFound,
                    fmt::format("\"{}\" asks for the role \"{}\", which this pipeline "
                                "does not fill; it has {}",
                                of(host).role, role ? role : "", of(host).siblings->roles()));
      }
      *out = found->component();
    });
  }
};

Instance::Instance(const config::PipelinePlan& pipeline, const config::ComponentPlan& plan,
                   const Siblings& siblings, const Messages& messages, Devices& devices,
                   BoundaryClock& clock)
    : plan_(plan), host_(std::make_unique<HostSide>()) {
  host_->siblings = &siblings;
  host_->messages = &messages;
  host_->role = plan.role;
  host_->table = {sizeof(gesso_host_t),
                  GESSO_ABI_MINOR,
                  host_.get(),
                  "gesso",
                  GESSO_VERSION,
                  [](const gesso_host_t* host, int32_t level, const char* text) {
                    HostSide::of(host).messages->log(level, text ? text : "");
                  },
                  HostSide::get_service};
  if (plan.weights) {
    weights_ = std::make_unique<gesso_weights>(plan.info->id, plan.role, plan.weights,
                                               compute_type(plan), devices, &clock);
    weights_->set_storage(plan.storage);
  }

  ValueList values = registry::values_from_json(plan.values);
  values.set_text("numerics", pipeline.numerics).set_text("dtype", plan.dtype);
  registry::add_values(values, plan.config, "config.");
  const gesso_setup_t setup{sizeof(gesso_setup_t), values.size(), values.data(), weights_.get()};

  component_ = pipeline.registry->create(plan.info->id, &host_->table,
                                         registry::names(pipeline.isolate, *plan.info));
  const Watch nobody;
  const CallScope call(nobody);
  try {
    check_call(component_->prepare(component_->self, call.get(), &setup), call.get());
    if (weights_) check_storing(weights_->storing(), plan, messages);
  } catch (const Error& e) {
    component_->destroy(component_->self);
    throw Error(e.status(), fmt::format("{}: {}: {}", plan.where, plan.info->id, e.what()));
  }
}

Instance::~Instance() { component_->destroy(component_->self); }

void Instance::missing_interface(const char* id) const {
  throw Error(Status::NotSupported,
              fmt::format("{}: {} offers no interface \"{}\", which the role \"{}\" "
                          "needs",
                          plan_.where, plan_.info->id, id, plan_.role));
}

}  // namespace gesso::runtime
