// A function of a C table, described once: how each argument crosses. From the description come the
// stub, which has the function's own type and asks the other process, and the service, which calls
// the real function there. tables.hpp lists the methods.
#pragma once

#include <tuple>
#include <utility>

#include "isolation/tensor_parts.hpp"

namespace gesso::isolation {

enum class Answers {
  Status,   // gesso_status_t; failures are told by it and the error
  Value,    // a number; 0 when the other side has ended
  Nothing,  // void, after the other side has done it
  Never,    // void, not waited for
};

/// Reads the status that a reply begins with. @throws Error  what the other side tells
inline void check_status(Reader& in) {
  int64_t status = 0;
  in(status);
  if (status == GESSO_STATUS_OK) return;
  const char* text = "";
  in(text);
  const bool known = status > GESSO_STATUS_OK && status <= GESSO_STATUS_INTERNAL;
  throw Error(known ? static_cast<Status>(status) : Status::Internal, text);
}

/// A function and how its arguments cross.
template <auto Member, Answers kAnswers, class... Parts>
struct Method;

template <class Table, class R, class... A, R (*Table::*Member)(A...), Answers kAnswers,
          class... Parts>
struct Method<Member, kAnswers, Parts...> {
  static_assert(sizeof...(A) == sizeof...(Parts), "one part for each argument");
  using All = std::tuple<A...>;
  using Slots = std::tuple<typename Parts::template Slot<A>...>;

  static constexpr auto member = Member;

  /// The stub.
  template <uint32_t Number>
  static R GESSO_CALL ask(A... arguments) {
    const All all(arguments...);
    Remote& remote = remote_of(std::get<0>(all));
    std::conditional_t<std::is_void_v<R>, int, R> result{};
    const auto body = [&] {
      Session& session = remote.session(request(all));
      if constexpr (kAnswers == Answers::Never) {
        Writer out = session.notice(Number);
        each([&]<size_t I, class P>() { P::send(out, std::get<I>(all), all); });
        remote.tell(out);
      } else {
        const Restore restore{session.out(), session.out().mark()};
        Writer out = session.call(Number);
        each([&]<size_t I, class P>() { P::send(out, std::get<I>(all), all); });
        const Answer answer = remote.ask(out, request(all));
        Reader in(answer.message, remote.pool(), remote.source());
        check_status(in);
        try {
          int64_t told = 0;
          in(told);
          if constexpr (kAnswers == Answers::Value) result = static_cast<R>(told);
          each([&]<size_t I, class P>() { P::receive(in, std::get<I>(all), all); });
          in.end();
        } catch (const Error& error) {
          if (error.status() == Status::BadData) remote.damaged(error);
          throw;
        }
      }
    };
    if constexpr (kAnswers == Answers::Status) {
      return guard(error(all), body);
    } else {
      ErrorText text;
      const gesso_status_t status = guard(&text.error, body);
      if (status != GESSO_STATUS_OK)
        remote.log_failure(Error(static_cast<Status>(status), text.text()));
      if constexpr (kAnswers == Answers::Value) return result;
    }
  }

  /// Reads the arguments of a message, calls the real function, and answers.
  static void serve(const Table& table, const Message& message, Served& served) {
    Pool pool;
    Slots slots;
    Writer out = served.session.reply();
    const Restore restore{served.session.out(), served.session.out().mark()};
    ErrorText text;
    const gesso_status_t status = guard(&text.error, [&] {
      if (!(table.*Member)) throw Error(Status::NotSupported, "the table has no such function");
      Reader in(message, pool, served.source);
      each([&]<size_t I, class P>() { std::get<I>(slots).take(in, served); });
      in.end();
      each([&]<size_t I, class P>() { std::get<I>(slots).ready(slots); });
      const int64_t told = std::apply(
          [&](auto&... slot) {
            if constexpr (std::is_void_v<R>) {
              (table.*Member)(slot.value...);
              return int64_t{0};
            } else {
              return static_cast<int64_t>((table.*Member)(slot.value...));
            }
          },
          slots);
      if (kAnswers == Answers::Status && told != GESSO_STATUS_OK)
        throw Error(static_cast<Status>(told), failure(slots));
      out(int64_t{GESSO_STATUS_OK});
      out(told);
      each([&]<size_t I, class P>() { std::get<I>(slots).give(out, slots, served); });
    });
    if (message.kind == Kind::Notice) return;
    if (status == GESSO_STATUS_OK) return served.session.send(out, served.files);
    Writer failed = served.session.reply();
    failed(static_cast<int64_t>(status));
    failed(text.text().c_str());
    served.session.send(failed);
  }

 private:
  struct Restore {
    SharedMemory& memory;
    uint64_t mark;
    ~Restore() { memory.release(mark); }
  };
  template <class Body>
  static void each(Body&& body) {
    [&]<size_t... I>(std::index_sequence<I...>) { (body.template operator()<I, Parts>(), ...); }
    (std::index_sequence_for<A...>());
  }
  static const gesso_call_t* request(const All& all) {
    const gesso_call_t* found = nullptr;
    each([&]<size_t I, class P>() {
      if constexpr (std::is_same_v<P, Call>) found = std::get<I>(all);
    });
    return found;
  }
  static gesso_error_t* error(const All& all) {
    const gesso_call_t* call = request(all);
    gesso_error_t* found = call ? call->error : nullptr;
    each([&]<size_t I, class P>() {
      if constexpr (std::is_same_v<P, Failure>)
        if (std::get<I>(all)) found = std::get<I>(all);
    });
    return found;
  }
  static std::string failure(const Slots& slots) {
    std::string text;
    each([&]<size_t I, class P>() {
      if constexpr (std::is_same_v<P, Call> || std::is_same_v<P, Failure>)
        if (std::get<I>(slots).text.error.length > 0) text = std::get<I>(slots).text.text();
    });
    return text;
  }
};

}  // namespace gesso::isolation
