// Every function that crosses between host and child. A table that is described here can be
// isolated; a new one is a few lines.
#pragma once

#include <optional>
#include <tuple>
#include <type_traits>

#include "gesso/kind/codec.h"
#include "gesso/kind/tokenizer.h"
#include "gesso/module.h"
#include "gesso/service/weights.h"
#include "isolation/method.hpp"

namespace gesso::isolation {

/// `number`, for ever; `Methods` in an order that never changes; `data`, what is no function.
template <class Table>
struct Described;

struct NoData {
  template <class A, class Table>
  static void data(A&, Table&) {}
};

// Host to child.

template <>
struct Described<gesso_component_t> : NoData {
  static constexpr uint32_t number = 1;
  using Methods =
      std::tuple<Method<&gesso_component_t::prepare, Answers::Status, Self, Call, InStruct>>;
};

template <>
struct Described<gesso_scheduler_t> {
  static constexpr uint32_t number = 2;
  static constexpr const char* id = GESSO_SCHEDULER_ID;
  using Methods = std::tuple<Method<&gesso_scheduler_t::plan, Answers::Status, Self, Call, InStruct,
                                    OutList<4, 5>, In, Out>,
                             Method<&gesso_scheduler_t::train_point, Answers::Status, Self, Call,
                                    InStruct, In, Out, Out, Out>>;
  template <class A>
  static void data(A& a, gesso_scheduler_t& table) {
    a(table.prediction);
  }
};

template <>
struct Described<gesso_tokenizer_t> : NoData {
  static constexpr uint32_t number = 3;
  static constexpr const char* id = GESSO_TOKENIZER_ID;
  using Methods =
      std::tuple<Method<&gesso_tokenizer_t::encode, Answers::Status, Self, InBytes<2>, In,
                        OutList<4, 5>, In, Out, Failure>,
                 Method<&gesso_tokenizer_t::decode, Answers::Status, Self, InList<2>, In,
                        OutList<4, 5>, In, Out, Failure>,
                 Method<&gesso_tokenizer_t::token_id, Answers::Status, Self, In, Out, Failure>,
                 Method<&gesso_tokenizer_t::vocab_size, Answers::Value, Self>>;
};

template <>
struct Described<gesso_module_t> {
  static constexpr uint32_t number = 4;
  static constexpr const char* id = GESSO_MODULE_ID;
  using Methods =
      std::tuple<Method<&gesso_module_t::run, Answers::Status, Self, Call, Run>,
                 Method<&gesso_module_t::estimate, Answers::Status, Self, Call, Run, Out>>;
  template <class A>
  static void data(A& a, gesso_module_t& table) {
    a.list(table.ops, table.n_ops);
  }
};

template <>
struct Described<gesso_codec_t> : NoData {
  static constexpr uint32_t number = 5;
  static constexpr const char* id = GESSO_CODEC_ID;
  using Methods = std::tuple<
      Method<&gesso_codec_t::geometry, Answers::Nothing, Self, Out, Out>,
      Method<&gesso_codec_t::preview, Answers::Value, Self, OutFloats<3, 0>, OutFloats<0, 3>>>;
};

template <>
struct Described<gesso_delta_source_t> : NoData {
  static constexpr uint32_t number = 6;
  static constexpr const char* id = GESSO_DELTA_SOURCE_ID;
  using Methods = std::tuple<Method<&gesso_delta_source_t::open, Answers::Status, Self, Call,
                                    InKeptList<3>, In, InKeptList<5>, In, OutHandle, Out, Failure>,
                             Method<&gesso_delta_source_t::get, Answers::Status, Self, InHandle, In,
                                    Out, Out, Out, Failure>,
                             Method<&gesso_delta_source_t::close, Answers::Nothing, Self, InHandle>,
                             Method<&gesso_delta_source_t::materialize, Answers::Status, Self, Call,
                                    InHandle, In, In, OutTensor>>;
};

/// The interfaces that can be isolated.
using Interfaces = std::tuple<gesso_scheduler_t, gesso_tokenizer_t, gesso_module_t, gesso_codec_t,
                              gesso_delta_source_t>;

/// One of each, as far as a component has them.
template <class... Table>
std::tuple<std::optional<Table>...> optional_tables(std::type_identity<std::tuple<Table...>>);
using OptionalInterfaces = decltype(optional_tables(std::type_identity<Interfaces>()));

// Child to host.

template <>
struct Described<gesso_weights_service_t> : NoData {
  static constexpr uint32_t number = 7;
  using Methods = std::tuple<
      Method<&gesso_weights_service_t::describe, Answers::Status, Self, In, Out, Failure>,
      Method<&gesso_weights_service_t::declare, Answers::Status, Self, In, InList<3>, In, Out,
             Failure>,
      Method<&gesso_weights_service_t::enter, Answers::Status, Self, Call, In, OutView<2>>,
      Method<&gesso_weights_service_t::leave, Answers::Never, Self, In>,
      Method<&gesso_weights_service_t::prefetch, Answers::Never, Self, In>>;
};

template <>
struct Described<gesso_host_t> : NoData {
  static constexpr uint32_t number = 8;
  using Methods = std::tuple<Method<&gesso_host_t::log, Answers::Never, Self, In, In>>;
};

template <>
struct Described<gesso_call_t> : NoData {
  static constexpr uint32_t number = 9;
  using Methods = std::tuple<Method<&gesso_call_t::progress, Answers::Never, Self, In, In, In>>;
};

/// The first call: library, digest and component; answered by descriptor and tables.
inline constexpr uint32_t kOpen = 1;

template <class Table>
constexpr uint32_t method_number(size_t index) {
  return Described<Table>::number << 8 | static_cast<uint32_t>(index);
}

/// The function that asks the other side in place of a table's `I`th.
template <class Table, size_t I = 0>
inline constexpr auto stub =
    &std::tuple_element_t<I, typename Described<Table>::Methods>::template ask<method_number<Table>(
        I)>;

/// Calls `body<I, Method>()` for each method of a table.
template <class Table, class Body>
void each_method(Body&& body) {
  using Methods = typename Described<Table>::Methods;
  [&]<size_t... I>(std::index_sequence<I...>) {
    (body.template operator()<I, std::tuple_element_t<I, Methods>>(), ...);
  }
  (std::make_index_sequence<std::tuple_size_v<Methods>>());
}

/// Calls `body<Table>()` for each interface that can be isolated.
template <class Body>
void each_interface(Body&& body) {
  [&]<class... Table>(std::type_identity<std::tuple<Table...>>) {
    (body.template operator()<Table>(), ...);
  }(std::type_identity<Interfaces>());
}

/// What a table has besides its functions, and which of these are there.
template <class Table>
void write_table(Writer& out, const Table& table) {
  Described<Table>::data(out, const_cast<Table&>(table));
  each_method<Table>([&]<size_t I, class M>() {
    const auto* end = reinterpret_cast<const char*>(&(table.*M::member) + 1);
    const bool known = end - reinterpret_cast<const char*>(&table) <= ptrdiff_t{table.struct_size};
    out(known && table.*M::member);
  });
}

/// The same table, made of stubs.
template <class Table>
void read_table(Reader& in, Table& table) {
  table.struct_size = sizeof(Table);
  Described<Table>::data(in, table);
  each_method<Table>([&]<size_t I, class M>() {
    bool there = false;
    in(there);
    if (there) table.*M::member = stub<Table, I>;
  });
}

/// Serves a message that is for `Table`. @return false: it is for another one
template <class Table>
bool serve_table(const Table* table, const Message& message, Served& served) {
  bool found = false;
  each_method<Table>([&]<size_t I, class M>() {
    if (message.method != method_number<Table>(I) || !table) return;
    found = true;
    M::serve(*table, message, served);
  });
  return found;
}

}  // namespace gesso::isolation
