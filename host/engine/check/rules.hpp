// The rule of every function that is watched, in the words of its mark (gesso/abi.h).
// tests/tree/test_marks.py compares them with the headers.
#pragma once

#include <string_view>
#include <tuple>
#include <type_traits>

#include "gesso/gesso.h"

namespace gesso::checking {

enum class Who { ThreadSafe, Instance, Exclusive };
enum class When { Always, Created, Ready, InPrepare, InCall, Last };

struct Rule {
  const char* table = "";
  const char* name = "";
  const char* mark = "";
  Who who = Who::ThreadSafe;
  When when = When::Always;
  std::string_view until{};  // what ends the thing that it gives
  bool closes = false;       // whether it ends what another function of its table gave
};

/// "[instance & ready; until close]" in parts. What is wrong with it does not compile.
consteval Rule read(const char* name, const char* mark) {
  Rule rule{.name = name, .mark = mark};
  std::string_view text(mark);
  const auto take = [&](std::string_view word) {
    if (!text.starts_with(word)) return false;
    text.remove_prefix(word.size());
    return true;
  };
  if (take("[instance")) {
    rule.who = Who::Instance;
  } else if (take("[exclusive")) {
    rule.who = Who::Exclusive;
  } else if (!take("[thread-safe")) {
    throw "expected [thread-safe, [instance or [exclusive";
  }
  if (take(" & created")) rule.when = When::Created;
  if (take(" & ready")) rule.when = When::Ready;
  if (take(" & in prepare")) rule.when = When::InPrepare;
  if (take(" & in call")) rule.when = When::InCall;
  if (take(" & last")) rule.when = When::Last;
  if (take("; until ")) rule.until = text.substr(0, text.find(']'));
  text.remove_prefix(rule.until.size());
  if (text != "]") throw "expected & WHEN, ; until WORD, or ]";
  return rule;
}

/// A member of a table, and its rule.
template <auto Function>
struct Marked {
  static constexpr auto function = Function;
  Rule rule;
};
template <auto Function>
consteval Marked<Function> mark(const char* name, const char* text) {
  return {read(name, text)};
}

/// `id`: of an interface or a service; `list`: the functions in the order of the table.
template <class Table>
struct Rules;

#define GESSO_CHECK_TABLE(TABLE, ID, ...)                 \
  template <>                                             \
  struct Rules<TABLE> {                                   \
    static constexpr const char* table = #TABLE;          \
    static constexpr const char* id = ID;                 \
    static constexpr auto list = std::tuple{__VA_ARGS__}; \
  };

// What a plugin gives.
GESSO_CHECK_TABLE(gesso_component_t, nullptr,
                  mark<&gesso_component_t::prepare>("prepare", "[instance & created]"),
                  mark<&gesso_component_t::get_interface>("get_interface", "[thread-safe]"),
                  mark<&gesso_component_t::destroy>("destroy", "[instance & last]"))
GESSO_CHECK_TABLE(gesso_module_t, GESSO_MODULE_ID,
                  mark<&gesso_module_t::run>("run", "[instance & ready]"),
                  mark<&gesso_module_t::estimate>("estimate", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_codec_t, GESSO_CODEC_ID,
                  mark<&gesso_codec_t::geometry>("geometry", "[instance & ready]"),
                  mark<&gesso_codec_t::preview>("preview", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_scheduler_t, GESSO_SCHEDULER_ID,
                  mark<&gesso_scheduler_t::plan>("plan", "[instance & ready]"),
                  mark<&gesso_scheduler_t::train_point>("train_point", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_tokenizer_t, GESSO_TOKENIZER_ID,
                  mark<&gesso_tokenizer_t::encode>("encode", "[instance & ready]"),
                  mark<&gesso_tokenizer_t::decode>("decode", "[instance & ready]"),
                  mark<&gesso_tokenizer_t::token_id>("token_id", "[instance & ready]"),
                  mark<&gesso_tokenizer_t::vocab_size>("vocab_size", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_memory_policy_t, GESSO_MEMORY_POLICY_ID,
                  mark<&gesso_memory_policy_t::plan>("plan", "[instance & ready]"),
                  mark<&gesso_memory_policy_t::on_event>("on_event", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_delta_source_t, GESSO_DELTA_SOURCE_ID,
                  mark<&gesso_delta_source_t::open>("open", "[instance & ready; until close]"),
                  mark<&gesso_delta_source_t::get>("get", "[instance & ready]"),
                  mark<&gesso_delta_source_t::close>("close", "[instance & ready]"),
                  mark<&gesso_delta_source_t::materialize>("materialize", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_delta_generator_t, GESSO_DELTA_GENERATOR_ID,
                  mark<&gesso_delta_generator_t::targets>("targets", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_controller_t, GESSO_CONTROLLER_ID,
                  mark<&gesso_controller_t::open>("open", "[instance & ready; until close]"),
                  mark<&gesso_controller_t::close>("close", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_injection_t, GESSO_INJECTION_ID,
                  mark<&gesso_injection_t::points>("points", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_injector_t, nullptr, mark<&gesso_injector_t::at>("at", "[instance]"),
                  mark<&gesso_injector_t::back>("back", "[instance]"))
GESSO_CHECK_TABLE(gesso_training_t, GESSO_TRAINING_ID,
                  mark<&gesso_training_t::forward>("forward",
                                                   "[instance & ready; until tape_release]"),
                  mark<&gesso_training_t::backward>("backward", "[instance & ready]"),
                  mark<&gesso_training_t::tape_bytes>("tape_bytes", "[instance & ready]"),
                  mark<&gesso_training_t::tape_release>("tape_release", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_control_training_t, GESSO_CONTROL_TRAINING_ID,
                  mark<&gesso_control_training_t::open>("open", "[instance & ready; until close]"),
                  mark<&gesso_control_training_t::close>("close", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_delta_training_t, GESSO_DELTA_TRAINING_ID,
                  mark<&gesso_delta_training_t::begin>("begin", "[instance & ready]"),
                  mark<&gesso_delta_training_t::back>("back", "[instance & ready]"))
GESSO_CHECK_TABLE(gesso_initial_weights_t, GESSO_INITIAL_WEIGHTS_ID,
                  mark<&gesso_initial_weights_t::list>("list", "[instance & ready]"))

// What a host gives.
GESSO_CHECK_TABLE(gesso_host_t, nullptr, mark<&gesso_host_t::log>("log", "[thread-safe]"),
                  mark<&gesso_host_t::get_service>("get_service", "[thread-safe]"))
GESSO_CHECK_TABLE(gesso_call_t, nullptr,
                  mark<&gesso_call_t::cancelled>("cancelled", "[thread-safe & in call]"),
                  mark<&gesso_call_t::progress>("progress", "[instance & in call]"))
GESSO_CHECK_TABLE(gesso_sink_t, nullptr,
                  mark<&gesso_sink_t::accept>("accept", "[instance & in call]"))
GESSO_CHECK_TABLE(gesso_part_sink_t, nullptr,
                  mark<&gesso_part_sink_t::accept>("accept", "[instance & in call]"))
GESSO_CHECK_TABLE(gesso_initial_sink_t, nullptr,
                  mark<&gesso_initial_sink_t::accept>("accept", "[instance & in call]"))
GESSO_CHECK_TABLE(gesso_grad_sink_t, nullptr,
                  mark<&gesso_grad_sink_t::accept>("accept", "[instance & in call]"))
GESSO_CHECK_TABLE(gesso_weights_service_t, GESSO_WEIGHTS_ID,
                  mark<&gesso_weights_service_t::describe>("describe", "[instance & in call]"),
                  mark<&gesso_weights_service_t::declare>("declare", "[instance & in prepare]"),
                  mark<&gesso_weights_service_t::enter>("enter",
                                                        "[instance & in call; until leave]"),
                  mark<&gesso_weights_service_t::leave>("leave", "[instance & in call]"),
                  mark<&gesso_weights_service_t::prefetch>("prefetch", "[instance & in call]"))
GESSO_CHECK_TABLE(gesso_components_service_t, GESSO_COMPONENTS_ID,
                  mark<&gesso_components_service_t::find>("find", "[thread-safe & in call]"))

#undef GESSO_CHECK_TABLE

template <class Member>
struct TableOf;
template <class Table, class Function>
struct TableOf<Function Table::*> {
  using type = Table;
};

/// The rule of a function: `rule<&gesso_module_t::run>`.
template <auto Function>
inline constexpr Rule rule = [] {
  using Table = typename TableOf<decltype(Function)>::type;
  Rule found = std::get<Marked<Function>>(Rules<Table>::list).rule;
  found.table = Rules<Table>::table;
  std::apply([&](const auto&... other) { ((found.closes |= other.rule.until == found.name), ...); },
             Rules<Table>::list);
  return found;
}();

}  // namespace gesso::checking
