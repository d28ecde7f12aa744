// How one argument of a function crosses: by value, as a struct, as a list, out instead of in.
#pragma once

#include <tuple>
#include <utility>

#include "isolation/remote.hpp"

namespace gesso::isolation {

// `send` and `receive` are the stub's, a Slot is the service's.
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

}  // namespace gesso::isolation
