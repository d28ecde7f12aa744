// One function for each function of a table: asks the rule, lets things cross as passing.hpp says,
// calls the real one, and sees what it left behind.
#pragma once

#include <fmt/format.h>

#include <optional>

#include "engine/check/passing.hpp"

namespace gesso::checking {

// What the first argument of a function stands for.

/// `self` of an interface, and of a component itself.
template <class Table, class First>
struct Target {
  static_assert(std::is_same_v<First, void*>);
  static constexpr Way way = Way::In;
  explicit Target(void* self) : component(static_cast<Component*>(self)) {}
  Object* object() const { return component; }
  void* first() const { return component->real->self; }
  const Table* table() const {
    if constexpr (std::is_same_v<Table, gesso_component_t>) {
      return component->real;
    } else {
      return std::get<Copy<Table>>(component->interfaces).real;
    }
  }
  Component* component;
};

/// A struct that carries its functions: of the host when it was passed in, of a plugin when it is
/// an injector.
template <class Table>
struct Target<Table, const Table*> {
  static constexpr Way way = std::is_same_v<Table, gesso_injector_t> ? Way::In : Way::Out;
  explicit Target(const Table* table) : handle(Known::all().find<Handle<Table>>(table)) {}
  Object* object() const { return handle; }
  const Table* first() const { return handle->real; }
  const Table* table() const { return handle->real; }
  Handle<Table>* handle;
};

template <class Table>
struct HostTarget {
  static constexpr Way way = Way::Out;
  explicit HostTarget(const gesso_host_t* table) : host(Known::all().find<LentHost>(table)) {}
  Object* object() const { return host; }
  const gesso_host_t* first() const { return host->real; }
  const Table* table() const {
    if constexpr (std::is_same_v<Table, gesso_host_t>) {
      return host->real;
    } else {
      return std::get<Copy<Table>>(host->owner.services).real;
    }
  }
  LentHost* host;
};
template <>
struct Target<gesso_host_t, const gesso_host_t*> : HostTarget<gesso_host_t> {
  using HostTarget::HostTarget;
};
template <class Table>
struct Target<Table, const gesso_host_t*> : HostTarget<Table> {
  using HostTarget<Table>::HostTarget;
};

template <class Table>
struct Target<Table, gesso_weights_t*> {
  static constexpr Way way = Way::Out;
  explicit Target(gesso_weights_t* handle) : weights(Known::all().find<LentWeights>(handle)) {}
  Object* object() const { return weights; }
  gesso_weights_t* first() const { return weights->real; }
  const Table* table() const { return std::get<Copy<Table>>(weights->owner.services).real; }
  LentWeights* weights;
};

// What is special about single functions.

struct NoHook {
  static void before(Visit&, const auto&...) {}  // may refuse
  static void after(Visit&, bool, const auto&...) {}
  static auto result(Visit&, auto result, const auto&...) { return result; }
};
template <auto Function>
struct Hook : NoHook {};

template <>
struct Hook<&gesso_component_t::prepare> : NoHook {
  static void before(Visit& visit, const auto&...) {
    visit.component().state = Component::State::Preparing;
  }
  static void after(Visit& visit, bool ok, const auto&...) {
    visit.component().state = ok ? Component::State::Ready : Component::State::Failed;
  }
};
template <>
struct Hook<&gesso_component_t::destroy> : NoHook {
  static void before(Visit& visit) {
    const std::string left = visit.component().things_left();
    if (!left.empty()) visit.tell(left + " (R16)");
  }
  static void after(Visit& visit, bool) { visit.component().ended = true; }
};
template <>
struct Hook<&gesso_component_t::get_interface> : NoHook {
  static const void* result(Visit& visit, const void* table, const char* id);
};
template <>
struct Hook<&gesso_host_t::get_service> : NoHook {
  static const void* result(Visit& visit, const void* table, const char* id);
};
template <>
struct Hook<&gesso_weights_service_t::enter> : NoHook {
  static void after(Visit& visit, bool ok, const gesso_call_t*, uint32_t unit, const auto*) {
    if (ok) visit.component().enter(unit);
  }
};
template <>
struct Hook<&gesso_weights_service_t::leave> : NoHook {
  static void before(Visit& visit, uint32_t unit) {
    if (!visit.component().leave(unit)) visit.refuse(fmt::format("unit {} is not entered", unit));
  }
};
template <>
struct Hook<&gesso_call_t::cancelled> : NoHook {
  static int32_t result(Visit& visit, int32_t cancelled) {
    auto& call = dynamic_cast<CallHandle&>(visit.object());
    call.was_asked = true;
    if (cancelled) call.said_yes = true;
    return cancelled;
  }
};

/// Places of an array to be written and of its extent, not counting the first argument.
template <auto Function>
struct Room {
  static constexpr int array = -1, count = -1;
};
template <int A, int C>
struct RoomAt {
  static constexpr int array = A, count = C;
};
template <>
struct Room<&gesso_scheduler_t::plan> : RoomAt<2, 3> {};
template <>
struct Room<&gesso_tokenizer_t::encode> : RoomAt<2, 3> {};
template <>
struct Room<&gesso_tokenizer_t::decode> : RoomAt<2, 3> {};
template <>
struct Room<&gesso_memory_policy_t::plan> : RoomAt<5, 2> {};
template <>
struct Room<&gesso_memory_policy_t::on_event> : RoomAt<1, 2> {};

/// Puts a fence behind such an array for the time of the call.
template <auto Function, class Arguments>
class Fenced {
 public:
  explicit Fenced(Arguments& arguments) {
    if constexpr (Room<Function>::array >= 0) {
      auto& array = std::get<Room<Function>::array>(arguments).value;
      if (!array) return;
      to_ = array;
      bytes_ = sizeof *array * std::get<Room<Function>::count>(arguments).value;
      fence_.emplace(array, bytes_);
      array = static_cast<std::remove_reference_t<decltype(array)>>(fence_->data());
    }
  }
  void finish(Visit& visit) {
    if (!fence_) return;
    if (bytes_ > 0) std::memcpy(to_, fence_->data(), bytes_);
    if (!fence_->is_whole()) visit.tell("wrote behind the end of the array that it was given");
  }

 private:
  void* to_ = nullptr;
  size_t bytes_ = 0;
  std::optional<Fence> fence_;
};

/// Operations that have to ask whether they were cancelled.
template <auto Function>
inline constexpr bool computes = false;
template <>
inline constexpr bool computes<&gesso_module_t::run> = true;
template <>
inline constexpr bool computes<&gesso_training_t::forward> = true;
template <>
inline constexpr bool computes<&gesso_training_t::backward> = true;

/// Whether what it returns is a gesso_status_t.
template <auto Function, class R>
inline constexpr bool is_status = std::is_same_v<R, gesso_status_t>;
template <>
inline constexpr bool is_status<&gesso_call_t::cancelled, int32_t> = false;
template <>
inline constexpr bool is_status<&gesso_codec_t::preview, int32_t> = false;

inline gesso_error_t* error_in(const gesso_call_t* call) { return call ? call->error : nullptr; }
inline gesso_error_t* error_in(gesso_error_t* error) { return error; }
inline gesso_error_t* error_in(const auto&) { return nullptr; }

template <auto Function>
struct Thunk;
template <class Table, class R, class First, class... Args,
          R (GESSO_CALL* Table::*Function)(First, Args...)>
struct Thunk<Function> {
  using At = Target<Table, First>;

  static R GESSO_CALL call(First first, Args... args) noexcept {
    const At target(first);
    if (!target.object()) return refused("it was called on nothing that this host gave", args...);
    Visit visit(*target.object(), rule<Function>, At::way == Way::In);
    std::tuple<Passed<At::way, Args>...> passed{Start<Args>{visit, args}...};
    if (!visit.is_refused()) Hook<Function>::before(visit, args...);
    if (visit.is_refused()) return refused(visit.refusal(), args...);

    Fenced<Function, decltype(passed)> fenced(passed);
    const auto invoke = [&](auto&... argument) -> R {
      return (target.table()->*Function)(target.first(), argument.get()...);
    };
    const auto finish = [&](bool ok) {
      fenced.finish(visit);
      std::apply([&](auto&... argument) { (argument.finish(visit, ok), ...); }, passed);
      Hook<Function>::after(visit, ok, args...);
    };
    if constexpr (computes<Function>) request_of(passed).computes = true;
    if constexpr (std::is_void_v<R>) {
      std::apply(invoke, passed);
      finish(true);
    } else if constexpr (is_status<Function, R>) {
      const R status = std::apply(invoke, passed);
      finish(status == GESSO_STATUS_OK);
      if constexpr (computes<Function>) {
        if (request_of(passed).ignored_cancel) {
          return fill_error(error_of(args...), Status::Cancelled, "cancelled");
        }
      }
      return status;
    } else {
      const R result = std::apply(invoke, passed);
      finish(true);
      return Hook<Function>::result(visit, result, args...);
    }
  }

 private:
  static auto& request_of(auto& passed) {
    return std::get<Passed<Way::In, const gesso_call_t*>>(passed);
  }
  static gesso_error_t* error_of(const Args&... args) {
    gesso_error_t* error = nullptr;
    ((error = error ? error : error_in(args)), ...);
    return error;
  }
  static R refused(const std::string& why, const Args&... args) {
    if constexpr (is_status<Function, R>) {
      const std::string text =
          fmt::format("GESSO_CHECK: {}.{}: {}", rule<Function>.table, rule<Function>.name, why);
      return fill_error(error_of(args...), Status::BadState, text.c_str());
    } else if constexpr (std::is_same_v<First, const gesso_call_t*> && !std::is_void_v<R>) {
      return 1;  // whoever asks after the end had better stop
    } else if constexpr (!std::is_void_v<R>) {
      return R{};
    }
  }
};

template <class Table>
void replace_functions(Table& table) {
  const auto replace = [&](auto member) {
    constexpr auto function = decltype(member)::function;
    if (table.*function) table.*function = Thunk<function>::call;
  };
  std::apply([&](auto... member) { (replace(member), ...); }, Rules<Table>::list);
}

}  // namespace gesso::checking
