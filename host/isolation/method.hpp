// A function of a C table, described once: how each argument crosses. From the description come the
// stub, which has the function's own type and asks the other process, and the service, which calls
// the real function there. tables.hpp lists the methods.
#pragma once

#include <tuple>
#include <utility>

#include "isolation/session.hpp"
#include "isolation/structs.hpp"

namespace gesso::isolation {

/// The other side, as a stub sees it.
class Remote {
 public:
  virtual ~Remote() = default;
  /// Ready for a call. @param under_way  the request; null: the method takes none. @throws Error
  virtual Session& session(const gesso_call_t* under_way) = 0;
  /// Sends and waits. @throws Error  when the other process has ended, or does not answer
  virtual Answer ask(Writer& call, const gesso_call_t* under_way) = 0;
  virtual void tell(Writer& notice) = 0;
  /// An answer was not what the method promises. @throws Error
  [[noreturn]] virtual void damaged(const Error& error) { throw Error(error); }
  /// What a call that cannot fail has to say of its failure.
  virtual void log_failure(const Error& error) = 0;
  virtual TensorSource& source() = 0;
  virtual Pool& pool() = 0;  // lives as long as this
  /// Of the other process: what was handed out by an earlier one means nothing to it.
  virtual uint64_t epoch() const { return 0; }
  /// Of a latent of the codec that the other side is.
  virtual uint32_t channels() { return 0; }
  /// In the child: the weights of a unit.
  virtual void read_view(Reader&, uint32_t unit, gesso_unit_view_t&) { static_cast<void>(unit); }
};

/// Whom a stub asks, by its first argument.
inline Remote& remote_of(void* self) { return *static_cast<Remote*>(self); }
// In the child, which has one host.
Remote& remote_of(gesso_weights_t* weights);
Remote& remote_of(const gesso_host_t* host);
Remote& remote_of(const gesso_call_t* call);

/// In the host: the weights of a unit, for the child.
class ViewWriter {
 public:
  virtual ~ViewWriter() = default;
  /// @param files  gets what goes along with the reply; they stay open until the next call of this
  virtual void write(Writer& out, uint32_t unit, const gesso_unit_view_t& view,
                     std::vector<int>& files) = 0;
};

/// Copies of what another source finds.
class CopyingSource : public TensorSource {
 public:
  explicit CopyingSource(TensorSource& from) : from_(from) {}
  Tensor tensor(const TensorField& field) override {
    const Tensor found = from_.tensor(field);
    Tensor copy = Tensor::empty(field.dtype, field.shape);
    if (field.bytes > 0) std::memcpy(copy.dl().data, found.dl().data, field.bytes);
    return copy;
  }

 private:
  TensorSource& from_;
};

/// What a service needs besides the message.
struct Served {
  void* self;  // first argument of the real function
  TensorSource& source;
  Session& session;
  /// The request under way as the real function sees it; its error is set by the service.
  std::function<gesso_call_t(uint32_t flags, uint32_t thread_limit)> make_call;
  ViewWriter* views = nullptr;
  Pool* kept = nullptr;      // lives as long as the component
  std::vector<int> files{};  // that go along with the reply
};

enum class Answers {
  Status,   // gesso_status_t; failures are told by it and the error
  Value,    // a number; 0 when the other side has ended
  Nothing,  // void, after the other side has done it
  Never,    // void, not waited for
};

// Parts: how one argument crosses. `send` and `receive` are the stub's, a Slot is the service's.
// "ready" comes when all arguments were read.

struct Part {
  template <class A, class All>
  static void send(Writer&, const A&, const All&) {}
  template <class A, class All>
  static void receive(Reader&, const A&, const All&) {}
  template <class A>
  struct Slot {
    A value{};
    void take(Reader&, const Served&) {}
    template <class Slots>
    void ready(const Slots&) {}
    template <class Slots>
    void give(Writer&, const Slots&, Served&) {}
  };
};

struct Self : Part {
  template <class A>
  struct Slot : Part::Slot<A> {
    void take(Reader&, const Served& served) { this->value = static_cast<A>(served.self); }
  };
};

struct Call : Part {
  template <class All>
  static void send(Writer& out, const gesso_call_t* call, const All&) {
    out(call ? call->flags : 0u);
    out(call ? call->thread_limit : 0u);
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    gesso_call_t call{};
    ErrorText text;
    void take(Reader& in, const Served& served) {
      uint32_t flags = 0, limit = 0;
      in(flags);
      in(limit);
      call = served.make_call(flags, limit);
      call.error = &text.error;
      this->value = &call;
    }
  };
};

/// gesso_error_t*
struct Failure : Part {
  template <class A>
  struct Slot : Part::Slot<A> {
    ErrorText text;
    void take(Reader&, const Served&) { this->value = &text.error; }
  };
};

/// A number, or a text.
struct In : Part {
  template <class A, class All>
  static void send(Writer& out, const A& arg, const All&) {
    out(arg);
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    void take(Reader& in, const Served&) { in(this->value); }
  };
};

/// A pointer to one struct.
struct InStruct : Part {
  template <class A, class All>
  static void send(Writer& out, const A& arg, const All&) {
    out.optional(arg);
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    void take(Reader& in, const Served&) { in.optional(this->value); }
  };
};

/// A list whose length is argument `Count`, an In of its own.
template <size_t Count>
struct InList : Part {
  template <class A, class All>
  static void send(Writer& out, const A& arg, const All& all) {
    out.list(arg, std::get<Count>(all));
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    uint64_t count = 0;
    void take(Reader& in, const Served&) { in.list(this->value, count); }
    template <class Slots>
    void ready(const Slots& slots) {
      if (count != static_cast<uint64_t>(std::get<Count>(slots).value))
        throw Error(Status::BadData, "a list of another length than it says");
    }
  };
};

/// A list that is borrowed for longer than its call: the service keeps a copy, to its end.
template <size_t Count>
struct InKeptList : InList<Count> {
  template <class A>
  struct Slot : InList<Count>::template Slot<A> {
    void take(Reader& in, const Served& served) {
      if (!served.kept) throw Error(Status::BadData, "nothing is kept here");
      CopyingSource copies(served.source);
      in.keep_in(*served.kept);
      in.take_from(copies);
      in.list(this->value, this->count);
      in.take_from(served.source);
    }
  };
};

/// Bytes whose number is argument `Count`; they need not be text.
template <size_t Count>
struct InBytes : Part {
  template <class All>
  static void send(Writer& out, const char* arg, const All& all) {
    out.list(reinterpret_cast<const uint8_t*>(arg), std::get<Count>(all));
  }
  template <class A>
  struct Slot : InList<Count>::template Slot<A> {
    void take(Reader& in, const Served&) {
      const uint8_t* bytes = nullptr;
      in.list(bytes, this->count);
      this->value = reinterpret_cast<const char*>(bytes);
    }
  };
};

/// A pointer to a number or struct that is filled.
struct Out : Part {
  template <class A, class All>
  static void receive(Reader& in, const A& arg, const All&) {
    if constexpr (requires { in(*arg); }) {
      in(*arg);
    } else {
      fields(in, *arg);
    }
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    std::remove_pointer_t<A> filled{};
    void take(Reader&, const Served&) {
      if constexpr (requires { filled.struct_size; }) filled.struct_size = sizeof filled;
      this->value = &filled;
    }
    template <class Slots>
    void give(Writer& out, const Slots&, Served&) {
      if constexpr (requires { out(filled); }) {
        out(filled);
      } else {
        fields(out, filled);
      }
    }
  };
};

/// A list that is filled: room for argument `Capacity`, its full length in `*Count`.
template <size_t Capacity, size_t Count>
struct OutList : Part {
  template <class A, class All>
  static void receive(Reader& in, const A& arg, const All& all) {
    const std::remove_pointer_t<A>* items = nullptr;
    uint64_t count = 0;
    in.list(items, count);
    if (count > static_cast<uint64_t>(std::get<Capacity>(all)))
      throw Error(Status::BadData, "more than there is room for");
    if (count > 0) std::memcpy(arg, items, count * sizeof *items);
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    std::vector<std::remove_pointer_t<A>> room;
    template <class Slots>
    void ready(const Slots& slots) {
      const auto capacity = static_cast<uint64_t>(std::get<Capacity>(slots).value);
      if (capacity > kMostBytes) throw Error(Status::NotSupported, "room for too much");
      room.resize(static_cast<size_t>(capacity) + 1);
      this->value = room.data();
    }
    template <class Slots>
    void give(Writer& out, const Slots& slots, Served&) {
      const auto count = static_cast<uint64_t>(*std::get<Count>(slots).value);
      out.list(static_cast<const std::remove_pointer_t<A>*>(room.data()),
               std::min<uint64_t>(count, room.size() - 1));
    }
  };
};

/// An opaque pointer of the other side. Those of an earlier process are refused.
struct InHandle : Part {
  static constexpr int kEpochShift = 48;  // addresses have fewer bits
  template <class All>
  static void send(Writer& out, void* arg, const All& all) {
    const auto handle = reinterpret_cast<uint64_t>(arg);
    if (handle >> kEpochShift != remote_of(std::get<0>(all)).epoch())
      throw Error(Status::BadState, "the process that held this has ended; open it again");
    out(handle & ((uint64_t{1} << kEpochShift) - 1));
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    void take(Reader& in, const Served&) {
      uint64_t address = 0;
      in(address);
      this->value = reinterpret_cast<void*>(address);
    }
  };
};

struct OutHandle : Part {
  template <class All>
  static void receive(Reader& in, void** arg, const All& all) {
    uint64_t address = 0;
    in(address);
    if (address >> InHandle::kEpochShift)
      throw Error(Status::BadData, "a handle that is too large");
    const uint64_t epoch = remote_of(std::get<0>(all)).epoch();
    *arg = reinterpret_cast<void*>(address | epoch << InHandle::kEpochShift);
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    void* made = nullptr;
    void take(Reader&, const Served&) { this->value = &made; }
    template <class Slots>
    void give(Writer& out, const Slots&, Served&) {
      out(reinterpret_cast<uint64_t>(made));
    }
  };
};

/// Floats that are filled: `PerChannel` for each channel of a codec, or `Fixed`.
template <size_t PerChannel, size_t Fixed>
struct OutFloats : Part {
  static constexpr size_t kMostChannels = 4096;
  template <class All>
  static void receive(Reader& in, float* arg, const All& all) {
    const float* items = nullptr;
    size_t count = 0;
    in.list(items, count);
    size_t wanted = Fixed;
    if constexpr (PerChannel > 0) wanted += PerChannel * remote_of(std::get<0>(all)).channels();
    if (count < wanted) throw Error(Status::BadData, "fewer numbers than expected");
    std::memcpy(arg, items, wanted * sizeof(float));
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    std::vector<float> room = std::vector<float>(PerChannel * kMostChannels + Fixed);
    void take(Reader&, const Served&) { this->value = room.data(); }
    template <class Slots>
    void give(Writer& out, const Slots&, Served&) {
      out.list(static_cast<const float*>(room.data()), room.size());
    }
  };
};

/// The view of a unit of weights, which is argument `Unit`.
template <size_t Unit>
struct OutView : Part {
  template <class All>
  static void receive(Reader& in, gesso_unit_view_t* view, const All& all) {
    remote_of(std::get<0>(all)).read_view(in, std::get<Unit>(all), *view);
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    gesso_unit_view_t view{};
    void take(Reader&, const Served&) {
      view.struct_size = sizeof view;
      this->value = &view;
    }
    template <class Slots>
    void give(Writer& out, const Slots& slots, Served& served) {
      served.views->write(out, std::get<Unit>(slots).value, view, served.files);
    }
  };
};

/// gesso_tensor_t**, the caller's afterwards.
struct OutTensor : Part {
  template <class All>
  static void receive(Reader& in, gesso_tensor_t** arg, const All&) {
    *arg = in.take_tensor().release();
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    gesso_tensor_t* made = nullptr;
    void take(Reader&, const Served&) { this->value = &made; }
    template <class Slots>
    void give(Writer& out, const Slots&, Served&) {
      const Tensor owner(made);
      out(made);
    }
  };
};

/// A run of a module: its results leave through its sink.
struct Run : Part {
  static constexpr int32_t kMostItems = 1 << 16;
  template <class All>
  static void send(Writer& out, const gesso_run_t* run, const All&) {
    fields(out, const_cast<gesso_run_t&>(*run));
  }
  template <class All>
  static void receive(Reader& in, const gesso_run_t* run, const All&) {
    uint32_t count = 0;
    in(count);
    for (uint32_t i = 0; i < count; ++i) {
      uint32_t port = 0;
      int32_t index = 0;
      in(port);
      in(index);
      if (index < -1 || index >= kMostItems) throw Error(Status::BadData, "an item of no batch");
      Tensor tensor = in.take_tensor();
      if (!run->outputs) throw Error(Status::BadData, "results of a run that has none");
      const gesso_status_t status =
          run->outputs->accept(run->outputs, port, index, tensor.release());
      if (status != GESSO_STATUS_OK)
        throw Error(static_cast<Status>(status), "the host did not take a result");
    }
  }
  template <class A>
  struct Slot : Part::Slot<A> {
    struct Result {
      uint32_t port;
      int32_t index;
      Tensor tensor;
    };
    std::vector<Result> results;
    gesso_sink_t sink{};
    gesso_run_t run{};
    void take(Reader& in, const Served&) {
      run.struct_size = sizeof run;
      fields(in, run);
      sink = {sizeof sink, 0, this, accept};
      run.outputs = &sink;
      this->value = &run;
    }
    template <class Slots>
    void give(Writer& out, const Slots&, Served&) {
      out(static_cast<uint32_t>(results.size()));
      for (Result& result : results) {
        out(result.port);
        out(result.index);
        out(result.tensor.get());
        result.tensor = {};
      }
    }
    static gesso_status_t GESSO_CALL accept(const gesso_sink_t* sink, uint32_t port, int32_t index,
                                            gesso_tensor_t* tensor) {
      Tensor owner(tensor);
      return guard(nullptr, [&] {
        static_cast<Slot*>(sink->data)->results.push_back({port, index, std::move(owner)});
      });
    }
  };
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
