// How arguments cross that carry tensors, weights or pointers of the other side.
#pragma once

#include "isolation/parts.hpp"

namespace gesso::isolation {

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

}  // namespace gesso::isolation
