// Writing a plugin in C++: a class per component, one macro at the end.
//
//   class Flow : public gesso::Component<Flow, gesso::SchedulerInterface> {
//    public:
//     static constexpr gesso::Info info{.id = "org.example.flow.scheduler", .kind = "scheduler",
//                                       .name = "Flow", .version = "1.0.0", .summary = "..."};
//     void prepare(const gesso::Setup& setup) { ... }
//     std::vector<gesso_eval_t> plan(const gesso::ScheduleRequest& request) { ... }
//   };
//   GESSO_EXPORT_PLUGIN("org.example.flow", "1.0.0", "Example", "MIT", Flow)
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../kind/codec.h"
#include "../kind/memory_policy.h"
#include "../kind/scheduler.h"
#include "../kind/tokenizer.h"
#include "../plugin.h"
#include "host.hpp"

namespace gesso {

struct Info {
  const char* id;
  const char* kind;
  const char* name;
  const char* version;
  const char* summary;
};

/// What `prepare` gets.
struct Setup {
  Values values;
  Weights weights;  // false when the component was given no file
  Call call;
};

/// Base of a component class T. Every interface is a template with `id` and `table()` over T.
template <class T, template <class> class... Interfaces>
class Component {
 public:
  using Self = Component;
  const Host& host() const { return host_; }
  void prepare(const Setup&) {}  // T may hide it

  static const void* find_interface(std::string_view id) {
    const void* found = nullptr;
    ((id == Interfaces<T>::id ? void(found = Interfaces<T>::table()) : void()), ...);
    return found;
  }
  static const gesso_component_desc_t& description() {
    static const std::array<const char*, sizeof...(Interfaces) + 1> ids{Interfaces<T>::id...,
                                                                        nullptr};
    static const gesso_component_desc_t desc{sizeof(gesso_component_desc_t),
                                             0,
                                             T::info.id,
                                             T::info.kind,
                                             T::info.name,
                                             T::info.version,
                                             T::info.summary,
                                             ids.data(),
                                             nullptr};
    return desc;
  }

 private:
  template <class>
  friend struct Instance;
  Host host_;
};

/// A component's C table and its object, made together and destroyed together.
template <class T>
struct Instance {
  gesso_component_t table{};
  T object;

  static gesso_component_t* create(const gesso_host_t* host) {
    auto instance = std::make_unique<Instance>();
    instance->object.host_ = Host(host);
    instance->table = {sizeof(gesso_component_t),
                       0,
                       &instance->object,
                       &T::description(),
                       prepare,
                       get_interface,
                       destroy};
    return &instance.release()->table;
  }

 private:
  static gesso_status_t GESSO_CALL prepare(void* self, const gesso_call_t* call,
                                           const gesso_setup_t* setup) {
    return guard(call ? call->error : nullptr, [&] {
      T& object = *static_cast<T*>(self);
      Weights weights;
      if (setup->weights) {
        weights =
            Weights(&object.host().template service<gesso_weights_service_t>(GESSO_WEIGHTS_ID),
                    setup->weights);
      }
      object.prepare(Setup{Values(setup->values, setup->n_values), weights, Call(call)});
    });
  }
  static const void* GESSO_CALL get_interface(void*, const char* id) {
    return id ? T::find_interface(id) : nullptr;
  }
  static void GESSO_CALL destroy(void* self) {
    // `object` lies at a fixed distance behind the start of its instance.
    auto* object = static_cast<T*>(self);
    delete reinterpret_cast<Instance*>(reinterpret_cast<char*>(object) - object_offset());
  }
  static std::ptrdiff_t object_offset() {
    alignas(Instance) static const char room[sizeof(Instance)] = {};
    const auto* instance = reinterpret_cast<const Instance*>(room);
    return reinterpret_cast<const char*>(&instance->object) - room;
  }
};

/// The plugin's table over its component classes.
template <class... Components>
struct Plugin {
  static gesso_status_t create(const gesso_plugin_t* plugin, const gesso_host_t* host,
                               const char* id, gesso_component_t** out, gesso_error_t* error) {
    return guard(error, [&] {
      const std::string_view wanted = id ? id : "";
      gesso_component_t* made = nullptr;
      ((wanted == Components::info.id ? void(made = Instance<Components>::create(host)) : void()),
       ...);
      if (!made) {
        throw Error(Status::NotFound, std::string("plugin ") + plugin->id + " has no component \"" +
                                          std::string(wanted) + "\"");
      }
      *out = made;
    });
  }
  static gesso_status_t entry(const gesso_host_t* host, const gesso_plugin_t** out,
                              gesso_error_t* error, const char* id, const char* version,
                              const char* vendor, const char* license) {
    return guard(error, [&] {
      uint32_t minor = 0;
      if (gesso_negotiate(host, &minor) != GESSO_STATUS_OK) {
        throw Error(Status::Incompatible,
                    std::string("plugin ") + id + " needs ABI " + std::to_string(GESSO_ABI_MAJOR) +
                        "." + std::to_string(GESSO_TARGET_MINOR) + ", this host speaks " +
                        std::to_string(GESSO_ABI_MAJOR) + "." + std::to_string(host->abi_minor) +
                        "; update the host");
      }
      static const std::array<const gesso_component_desc_t*, sizeof...(Components)> list{
          &Components::description()...};
      static const gesso_plugin_t table{
          sizeof(gesso_plugin_t),
          minor,
          id,
          version,
          vendor,
          license,
          list.data(),
          list.size(),
          create,
          [](const gesso_plugin_t*, const char*) -> const void* { return nullptr; },
          [](const gesso_plugin_t*) {}};
      *out = &table;
    });
  }
};

/// "gesso.scheduler/1". T has `plan(request) -> std::vector<gesso_eval_t>` and
/// `train_point(request, u) -> TrainPoint`; optionally `static constexpr int32_t prediction`.
struct ScheduleRequest {
  uint32_t n_steps;
  double strength;
  uint64_t latent_tokens;
  Values values;
  explicit ScheduleRequest(const gesso_schedule_request_t& r)
      : n_steps(r.n_steps),
        strength(r.strength),
        latent_tokens(r.latent_tokens),
        values(r.values, r.n_values) {}
};
struct TrainPoint {
  double timestep, sigma, weight;
};

template <class T>
struct SchedulerInterface {
  static constexpr const char* id = GESSO_SCHEDULER_ID;
  static const void* table() {
    static const gesso_scheduler_t t{sizeof(gesso_scheduler_t), GESSO_PREDICTION_VELOCITY, plan,
                                     train_point};
    return &t;
  }
  static gesso_status_t GESSO_CALL plan(void* self, const gesso_call_t* call,
                                        const gesso_schedule_request_t* request,
                                        gesso_eval_t* evals, uint32_t capacity, uint32_t* count) {
    return guard(call ? call->error : nullptr, [&] {
      const std::vector<gesso_eval_t> made = static_cast<T*>(self)->plan(ScheduleRequest(*request));
      *count = static_cast<uint32_t>(made.size());
      std::copy_n(made.begin(), std::min<size_t>(capacity, made.size()), evals);
    });
  }
  static gesso_status_t GESSO_CALL train_point(void* self, const gesso_call_t* call,
                                               const gesso_schedule_request_t* request, double u,
                                               double* timestep, double* sigma, double* weight) {
    return guard(call ? call->error : nullptr, [&] {
      const TrainPoint p = static_cast<T*>(self)->train_point(ScheduleRequest(*request), u);
      *timestep = p.timestep;
      *sigma = p.sigma;
      *weight = p.weight;
    });
  }
};

/// "gesso.tokenizer/1". T has `encode(std::string_view) -> std::vector<int32_t>`,
/// `decode(std::span<const int32_t>) -> std::string`, `token_id(std::string_view) ->
/// std::optional<int32_t>`, `vocab_size()`.
template <class T>
struct TokenizerInterface {
  static constexpr const char* id = GESSO_TOKENIZER_ID;
  static const void* table() {
    static const gesso_tokenizer_t t{
        sizeof(gesso_tokenizer_t), 0, encode, decode, token_id, vocab_size};
    return &t;
  }
  static gesso_status_t GESSO_CALL encode(void* self, const char* text, uint64_t length,
                                          int32_t* ids, uint64_t capacity, uint64_t* count,
                                          gesso_error_t* error) {
    return guard(error, [&] {
      const std::vector<int32_t> made =
          static_cast<T*>(self)->encode(std::string_view(text, length));
      *count = made.size();
      std::copy_n(made.begin(), std::min<size_t>(capacity, made.size()), ids);
    });
  }
  static gesso_status_t GESSO_CALL decode(void* self, const int32_t* ids, uint64_t count,
                                          char* text, uint64_t capacity, uint64_t* length,
                                          gesso_error_t* error) {
    return guard(error, [&] {
      const std::string made = static_cast<T*>(self)->decode({ids, count});
      *length = made.size();
      std::copy_n(made.begin(), std::min<size_t>(capacity, made.size()), text);
    });
  }
  static gesso_status_t GESSO_CALL token_id(void* self, const char* token, int32_t* out,
                                            gesso_error_t* error) {
    return guard(error, [&] {
      const std::optional<int32_t> found = static_cast<T*>(self)->token_id(token);
      if (!found) throw Error(Status::NotFound, std::string("no token \"") + token + "\"");
      *out = *found;
    });
  }
  static uint64_t GESSO_CALL vocab_size(void* self) { return static_cast<T*>(self)->vocab_size(); }
};

/// "gesso.codec/1". T has `channels()`, `pixels_per_cell()` and
/// `preview(std::vector<float>& weight, std::vector<float>& bias) -> bool`.
template <class T>
struct CodecInterface {
  static constexpr const char* id = GESSO_CODEC_ID;
  static const void* table() {
    static const gesso_codec_t t{sizeof(gesso_codec_t), 0, geometry, preview};
    return &t;
  }
  static void GESSO_CALL geometry(void* self, uint32_t* channels, uint32_t* pixels_per_cell) {
    *channels = static_cast<uint32_t>(static_cast<T*>(self)->channels());
    *pixels_per_cell = static_cast<uint32_t>(static_cast<T*>(self)->pixels_per_cell());
  }
  static int32_t GESSO_CALL preview(void* self, float* weight, float* bias) {
    bool there = false;
    const gesso_status_t status = guard(nullptr, [&] {
      std::vector<float> w, b;
      there = static_cast<T*>(self)->preview(w, b);
      if (!there) return;
      std::copy(w.begin(), w.end(), weight);
      std::copy(b.begin(), b.end(), bias);
    });
    return status == GESSO_STATUS_OK && there;
  }
};

/// "gesso.memory-policy/1". T has `plan(units, budgets) -> std::vector<gesso_unit_plan_t>` and
/// `on_event(event) -> std::vector<gesso_move_t>`.
template <class T>
struct MemoryPolicyInterface {
  static constexpr const char* id = GESSO_MEMORY_POLICY_ID;
  static const void* table() {
    static const gesso_memory_policy_t t{sizeof(gesso_memory_policy_t), ignored(), plan, on_event};
    return &t;
  }
  static constexpr uint32_t ignored() {
    if constexpr (requires { T::ignores; }) return T::ignores;
    return 0;
  }
  static gesso_status_t GESSO_CALL plan(void* self, const gesso_call_t* call,
                                        const gesso_unit_info_t* const* units, uint32_t n_units,
                                        const gesso_budget_t* const* budgets, uint32_t n_budgets,
                                        gesso_unit_plan_t* plans) {
    return guard(call ? call->error : nullptr, [&] {
      const auto made =
          static_cast<T*>(self)->plan(std::span(units, n_units), std::span(budgets, n_budgets));
      if (made.size() != n_units) throw Error(Status::Internal, "a plan for each unit is needed");
      std::copy(made.begin(), made.end(), plans);
    });
  }
  static uint32_t GESSO_CALL on_event(void* self, const gesso_memory_event_t* event,
                                      gesso_move_t* moves, uint32_t capacity) {
    uint32_t count = 0;
    guard(nullptr, [&] {
      const auto made = static_cast<T*>(self)->on_event(*event);
      count = static_cast<uint32_t>(std::min<size_t>(capacity, made.size()));
      if (count > 0) std::copy_n(made.begin(), count, moves);
    });
    return count;
  }
};

}  // namespace gesso

/// Defines the one exported function. Arguments: id, version, vendor, license, component classes.
#define GESSO_EXPORT_PLUGIN(ID, VERSION, VENDOR, LICENSE, ...)                                   \
  extern "C" GESSO_EXPORT gesso_status_t GESSO_CALL gesso_plugin_entry_1(                        \
      const gesso_host_t* host, const gesso_plugin_t** plugin, gesso_error_t* error) {           \
    return gesso::Plugin<__VA_ARGS__>::entry(host, plugin, error, ID, VERSION, VENDOR, LICENSE); \
  }
