// How each type of argument crosses: most as they are, the others as something of ours that stands
// for them and is told of misuse.
//
// Passed<Way, A> is made of Start<A>, gives what the function gets, and finishes when it returned.
#pragma once

#include <cstring>

#include "engine/check/component.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::checking {

/// Into the plugin, or out of it: to the host, or to who receives its results.
enum class Way { In, Out };

template <class A>
struct Start {
  Visit& visit;
  A value;
};

template <Way W, class A>
struct Passed {
  explicit Passed(Start<A> start) : value(start.value) {}
  A get() { return value; }
  void finish(Visit&, bool) {}
  A value;
};

/// The table of a struct that stands for another one: its functions are ours.
template <class Table>
void replace_functions(Table& table);

/// A struct of functions that is passed into a plugin and ends with the call.
template <class Table, class Record = Handle<Table>>
class PassedTable {
 public:
  explicit PassedTable(Start<const Table*> start) {
    if (!start.value) return;
    record_ = std::make_unique<Record>(start.visit.component(), *start.value,
                                       "used after the call returned that it was passed to");
    replace_functions(record_->table);
    Known::all().add(&record_->table, *record_);
  }
  ~PassedTable() { end(); }
  PassedTable(const PassedTable&) = delete;
  PassedTable& operator=(const PassedTable&) = delete;
  const Table* get() const { return record_ ? &record_->table : nullptr; }
  void finish(Visit&, bool) { end(); }

 protected:
  void end() {
    const void* address = get();
    if (record_) Known::all().retire(address, std::move(record_));
  }
  std::unique_ptr<Record> record_;
};

template <>
struct Passed<Way::In, const gesso_sink_t*> : PassedTable<gesso_sink_t> {
  using PassedTable::PassedTable;
};
template <>
struct Passed<Way::In, const gesso_part_sink_t*> : PassedTable<gesso_part_sink_t> {
  using PassedTable::PassedTable;
};
template <>
struct Passed<Way::In, const gesso_initial_sink_t*> : PassedTable<gesso_initial_sink_t> {
  using PassedTable::PassedTable;
};
/// What is passed to a function that opens something is used until that is closed.
template <>
struct Passed<Way::In, const gesso_grad_sink_t*> : PassedTable<gesso_grad_sink_t> {
  using PassedTable::PassedTable;
  void finish(Visit& visit, bool) {
    if (record_ && !visit.rule().until.empty()) visit.component().keep(std::move(record_));
    end();
  }
};

/// The request under way: its error is fenced, and it is noted whether cancel was asked and told.
struct CallHandle : Handle<gesso_call_t> {
  CallHandle(Component& owner, const gesso_call_t& from, std::string misuse)
      : Handle(owner, from, std::move(misuse)), error(from.error) {
    table.error = error.get();
  }
  FencedError error;
  std::atomic<bool> was_asked = false, said_yes = false;
};
template <>
struct Passed<Way::In, const gesso_call_t*> : PassedTable<gesso_call_t, CallHandle> {
  using PassedTable::PassedTable;
  void finish(Visit& visit, bool ok) {
    if (!record_) return;
    if (!record_->error.finish()) visit.tell("wrote behind the capacity of the error's text");
    ignored_cancel = ok && record_->said_yes;
    if (ignored_cancel) visit.tell("was cancelled, knew it, and returned OK (R11)");
    if (ok && !record_->was_asked && computes && record_->real->cancelled &&
        record_->real->cancelled(record_->real)) {
      visit.tell("was cancelled and never asked (R11)");
    }
    end();
  }
  bool computes = false;  // has to ask
  bool ignored_cancel = false;
};

template <>
struct Passed<Way::In, gesso_error_t*> {
  explicit Passed(Start<gesso_error_t*> start) : error(start.value) {}
  gesso_error_t* get() { return error.get(); }
  void finish(Visit& visit, bool) {
    if (!error.finish()) visit.tell("wrote behind the capacity of the error's text");
  }
  FencedError error;
};

template <>
struct Passed<Way::In, gesso_estimate_t*> {
  explicit Passed(Start<gesso_estimate_t*> start) : to(start.value) {
    if (to) fence = std::make_unique<Fence>(to, to->struct_size);
  }
  gesso_estimate_t* get() { return fence ? static_cast<gesso_estimate_t*>(fence->data()) : to; }
  void finish(Visit& visit, bool) {
    if (!fence) return;
    if (!fence->is_whole()) visit.tell("wrote behind the struct_size of its result (R2)");
    std::memcpy(to, fence->data(), to->struct_size);
  }
  gesso_estimate_t* to;
  std::unique_ptr<Fence> fence;
};

/// A tensor whose deleter is ours.
struct TensorHandle : Object {
  /// `is_given`: by the plugin, whose receiver releases it; else it is lent for a call.
  TensorHandle(Component& owner, gesso_tensor_t& from, bool is_given);
  std::string broken(When) const override { return ""; }
  static void release(gesso_tensor_t* tensor);
  gesso_tensor_t table;
  gesso_tensor_t* real;
  bool is_given;
};
/// Null stays null. What is returned is known, and retires when it is released.
gesso_tensor_t* watch_given(Component& owner, gesso_tensor_t* tensor);

/// Lends tensors for the time of a call.
class LentTensors {
 public:
  ~LentTensors() { end(); }
  gesso_tensor_t* lend(Component& owner, gesso_tensor_t* tensor);
  void end();

 private:
  std::vector<std::unique_ptr<TensorHandle>> tensors_;
};

template <>
struct Passed<Way::In, gesso_tensor_t*> {
  explicit Passed(Start<gesso_tensor_t*> start)
      : value(tensors.lend(start.visit.component(), start.value)) {}
  gesso_tensor_t* get() { return value; }
  void finish(Visit&, bool) { tensors.end(); }
  LentTensors tensors;
  gesso_tensor_t* value;
};
/// Whoever accepts it owns it, also when it fails; a call that is refused releases it.
template <>
struct Passed<Way::Out, gesso_tensor_t*> {
  explicit Passed(Start<gesso_tensor_t*> start)
      : value(watch_given(start.visit.component(), start.value)) {}
  ~Passed() {
    if (value && !was_passed) value->deleter(value);
  }
  Passed(const Passed&) = delete;
  Passed& operator=(const Passed&) = delete;
  gesso_tensor_t* get() {
    was_passed = true;
    return value;
  }
  void finish(Visit&, bool) {}
  gesso_tensor_t* value;
  bool was_passed = false;
};
template <>
struct Passed<Way::In, gesso_tensor_t**> {
  explicit Passed(Start<gesso_tensor_t**> start) : value(start.value) {}
  gesso_tensor_t** get() { return value; }
  void finish(Visit& visit, bool ok) {
    if (ok && value) *value = watch_given(visit.component(), *value);
  }
  gesso_tensor_t** value;
};

template <>
struct Passed<Way::In, const gesso_bundle_t*> {
  explicit Passed(Start<const gesso_bundle_t*> start) : from(start.value) {
    if (!from) return;
    items.assign(from->items, from->items + from->count);
    for (gesso_item_t& item : items) {
      item.tensor = tensors.lend(start.visit.component(), item.tensor);
    }
    bundle = copy_of(*from);
    bundle.items = items.data();
  }
  const gesso_bundle_t* get() const { return from ? &bundle : nullptr; }
  void finish(Visit&, bool) { tensors.end(); }
  const gesso_bundle_t* from;
  gesso_bundle_t bundle{};
  std::vector<gesso_item_t> items;
  LentTensors tensors;
};

template <>
struct Passed<Way::In, const gesso_run_t*> {
  explicit Passed(Start<const gesso_run_t*> start)
      : from(start.value),
        inputs({start.visit, from ? from->inputs : nullptr}),
        outputs({start.visit, from ? from->outputs : nullptr}) {
    if (!from) return;
    run = copy_of(*from);
    run.inputs = inputs.get();
    run.outputs = outputs.get();
  }
  const gesso_run_t* get() const { return from ? &run : nullptr; }
  void finish(Visit& visit, bool ok) {
    inputs.finish(visit, ok);
    outputs.finish(visit, ok);
  }
  const gesso_run_t* from;
  gesso_run_t run{};
  Passed<Way::In, const gesso_bundle_t*> inputs;
  Passed<Way::In, const gesso_sink_t*> outputs;
};

template <>
struct Passed<Way::In, const gesso_setup_t*> {
  explicit Passed(Start<const gesso_setup_t*> start) : from(start.value) {
    if (!from) return;
    setup = copy_of(*from);
    LentWeights& lent = start.visit.component().weights;
    lent.real = setup.weights;
    if (setup.weights) setup.weights = reinterpret_cast<gesso_weights_t*>(&lent);
  }
  const gesso_setup_t* get() const { return from ? &setup : nullptr; }
  void finish(Visit&, bool) {}
  const gesso_setup_t* from;
  gesso_setup_t setup{};
};

/// Weights of another component, for one call.
template <>
struct Passed<Way::In, gesso_weights_t*> {
  explicit Passed(Start<gesso_weights_t*> start) {
    if (!start.value) return;
    lent = std::make_unique<LentWeights>(start.visit.component());
    lent->real = start.value;
    Known::all().add(lent.get(), *lent);
  }
  ~Passed() { end(); }
  Passed(const Passed&) = delete;
  Passed& operator=(const Passed&) = delete;
  gesso_weights_t* get() const { return reinterpret_cast<gesso_weights_t*>(lent.get()); }
  void finish(Visit&, bool) { end(); }
  void end() {
    const void* address = lent.get();
    if (lent) Known::all().retire(address, std::move(lent));
  }
  std::unique_ptr<LentWeights> lent;
};

// Things that a component opened: tapes and sets are as the plugin made them, injectors are ours.
template <>
struct Passed<Way::In, void**> {
  explicit Passed(Start<void**> start) : value(start.value) {}
  void** get() { return value; }
  void finish(Visit& visit, bool ok) {
    if (ok && value) visit.component().open(*value, visit.rule());
  }
  void** value;
};
template <class Pointer>
struct PassedThing {
  explicit PassedThing(Start<Pointer> start) : value(start.value) {
    Component& component = start.visit.component();
    if (start.visit.is_refused()) return;
    const bool is_open =
        start.visit.rule().closes ? component.close(value) : component.is_open(value);
    if (!is_open) start.visit.refuse("got something that is not open: ended before, or never made");
  }
  Pointer get() { return value; }
  void finish(Visit&, bool) {}
  Pointer value;
};
template <>
struct Passed<Way::In, void*> : PassedThing<void*> {
  using PassedThing::PassedThing;
};
template <>
struct Passed<Way::In, const void*> : PassedThing<const void*> {
  using PassedThing::PassedThing;
};

template <>
struct Passed<Way::In, const gesso_injector_t**> {
  explicit Passed(Start<const gesso_injector_t**> start) : value(start.value) {}
  const gesso_injector_t** get() { return value; }
  void finish(Visit& visit, bool ok) {
    if (!ok || !value || !*value) return;
    Component& component = visit.component();
    auto record =
        std::make_unique<Handle<gesso_injector_t>>(component, **value, "used after close");
    replace_functions(record->table);
    *value = &record->table;
    Known::all().add(*value, *record);
    component.open(*value, visit.rule());
    component.keep(std::move(record));
  }
  const gesso_injector_t** value;
};
template <>
struct Passed<Way::In, const gesso_injector_t*> : PassedThing<const gesso_injector_t*> {
  explicit Passed(Start<const gesso_injector_t*> start) : PassedThing(start) {
    if (start.visit.is_refused()) return;
    auto* record = Known::all().find<Handle<gesso_injector_t>>(value);
    value = record->real;
    record->ended = start.visit.rule().closes;
  }
};

}  // namespace gesso::checking
