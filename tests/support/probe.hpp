// The smallest component that computes, for what is about the boundary itself: it gives its input
// back, or does what a test wants inside of a call.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/check/check.hpp"
#include "gesso/cpp/module.hpp"
#include "runtime/component_weights.hpp"

namespace gesso::test {

class Probe : public Component<Probe, ModuleInterface> {
 public:
  static constexpr Info info{.id = "org.test.probe",
                             .kind = "denoiser",
                             .name = "Probe",
                             .version = "1.0.0",
                             .summary = "Gives back what it gets"};
  static inline std::function<void(const Call&, const Unit&)> inside;
  static inline const void* seen = nullptr;  // data of the last input

  static const std::vector<Op<Probe>>& ops() {
    static const std::vector<Op<Probe>> list{
        {.name = "echo",
         .inputs = {{"x", "N", kPerItem}},
         .outputs = {{"y", "N", kPerItem}},
         .run = &Probe::echo},
        {.name = "inside", .inputs = {}, .outputs = {}, .run = &Probe::run_inside}};
    return list;
  }
  void prepare(const Setup& setup) {
    if (setup.weights) unit_ = setup.weights.declare("unit", {{"matrix", {2, 3}}});
  }

 private:
  /// The result is another header over the same memory.
  void echo(const Call&, const Inputs& inputs, Outputs& outputs) {
    result_ = *inputs.one("x");
    result_.manager_ctx = nullptr;
    result_.deleter = nullptr;
    seen = result_.dl_tensor.data;
    outputs.put("y", 0, Tensor(&result_));
  }
  void run_inside(const Call& call, const Inputs&, Outputs&) { inside(call, unit_); }

  Unit unit_;
  gesso_tensor_t result_{};
};

/// A probe in a host that offers weights; under watch, or not.
class ProbeHost {
 public:
  ProbeHost(bool is_checked, gesso_weights* weights)
      : watcher_(
            std::make_shared<checking::Watcher>([this](int32_t level, const std::string& text) {
              if (level >= GESSO_LOG_WARNING) problems.push_back(text);
            })) {
    component = is_checked ? checking::watch(watcher_, "org.test", Probe::info.id, host_, make)
                           : make(&host_);
    ErrorText error;
    const gesso_setup_t setup{sizeof setup, 0, nullptr, weights};
    const gesso_call_t call = call_of(error);
    check_call(component->prepare(component->self, &call, &setup), &call);
  }
  ~ProbeHost() { component->destroy(component->self); }
  ProbeHost(const ProbeHost&) = delete;
  ProbeHost& operator=(const ProbeHost&) = delete;

  static gesso_call_t call_of(ErrorText& error) {
    gesso_call_t call{};
    call.struct_size = sizeof call;
    call.error = &error.error;
    return call;
  }

  std::vector<std::string> problems;
  gesso_component_t* component = nullptr;

 private:
  static gesso_component_t* make(const gesso_host_t* host) { return Instance<Probe>::create(host); }

  std::shared_ptr<checking::Watcher> watcher_;
  gesso_host_t host_{sizeof(gesso_host_t),
                     GESSO_ABI_MINOR,
                     nullptr,
                     "test",
                     "0",
                     [](const gesso_host_t*, int32_t, const char*) {},
                     [](const gesso_host_t*, const char* id) -> const void* {
                       return std::string_view(id) == GESSO_WEIGHTS_ID ? &gesso_weights::service()
                                                                       : nullptr;
                     }};
};

}  // namespace gesso::test
