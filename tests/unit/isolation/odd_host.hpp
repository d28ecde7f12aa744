// A host for the plugin of these tests.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "engine/registry/registry.hpp"
#include "gesso/cpp/host.hpp"
#include "gesso/cpp/module.hpp"

namespace gesso::test {

/// Keeps what is logged.
struct OddHost {
  std::vector<std::string> log;
  const gesso_weights_service_t* weights = nullptr;
  gesso_host_t table{sizeof(gesso_host_t),
                     GESSO_ABI_MINOR,
                     this,
                     "test",
                     "0",
                     [](const gesso_host_t* host, int32_t, const char* text) {
                       static_cast<OddHost*>(host->data)->log.emplace_back(text);
                     },
                     [](const gesso_host_t* host, const char* id) -> const void* {
                       return std::string_view(id) == GESSO_WEIGHTS_ID
                                  ? static_cast<OddHost*>(host->data)->weights
                                  : nullptr;
                     }};
  bool heard(std::string_view part) const {
    return std::ranges::any_of(
        log, [&](const std::string& line) { return line.find(part) != std::string::npos; });
  }
};

/// A request that is cancelled when `cancel` says so.
struct OddCall {
  ErrorText text;
  bool cancel = false;
  std::vector<std::string> told;
  gesso_call_t table{};
  OddCall() {
    table.struct_size = sizeof table;
    table.data = this;
    table.device = {kDLCPU, 0};
    table.error = &text.error;
    table.cancelled = [](const gesso_call_t* call) -> int32_t {
      return static_cast<OddCall*>(call->data)->cancel;
    };
    table.progress = [](const gesso_call_t* call, uint64_t, uint64_t, const char* what) {
      static_cast<OddCall*>(call->data)->told.emplace_back(what);
    };
  }
};

inline std::shared_ptr<registry::Registry> odd_registry() {
  registry::SearchOptions options;
  options.given = {GESSO_ODD_PLUGIN};
  options.use_environment = options.use_default_paths = false;
  return registry::Registry::scan(options);
}

/// A component in a child process.
class Isolated {
 public:
  Isolated(OddHost& host, const std::string& name)
      : component_(odd_registry()->create("org.gesso.test.odd." + name, &host.table, true)) {}
  ~Isolated() { component_->destroy(component_->self); }
  Isolated(const Isolated&) = delete;
  Isolated& operator=(const Isolated&) = delete;

  gesso_component_t* get() const { return component_; }
  void* self() const { return component_->self; }
  /// @throws Error
  void prepare(OddCall& call, const ValueList& values = {}, gesso_weights_t* weights = nullptr) {
    const gesso_setup_t setup{sizeof(gesso_setup_t), values.size(), values.data(), weights};
    check_call(component_->prepare(self(), &call.table, &setup), &call.table);
  }
  template <class Table>
  const Table& interface(const char* id) const {
    return *static_cast<const Table*>(component_->get_interface(self(), id));
  }

 private:
  gesso_component_t* component_;
};

/// What the odd denoiser makes of one item [1, 1, n]; it does what `fault` says.
inline std::vector<float> denoise(gesso_component_t* component, OddCall& call,
                                  const std::vector<float>& latents,
                                  const std::string& fault = "") {
  const std::vector<int64_t> shape{1, 1, static_cast<int64_t>(latents.size())};
  const Tensor tensor = Tensor::empty(kF32, shape);
  std::ranges::copy(latents, elements<float>(tensor.dl()).begin());
  ValueList values;
  values.set_text("fault", fault);
  const auto outputs =
      ModuleRef(component).run(&call.table, "denoise", {{"latents", 0, tensor.get()}}, values);
  REQUIRE(outputs.size() == 1);
  const auto made = elements<float>(outputs[0].tensor.dl());
  return {made.begin(), made.end()};
}

}  // namespace gesso::test
