// One component under watch: its state, what it opened and what it was lent.
#pragma once

#include <map>

#include "engine/check/object.hpp"

namespace gesso::checking {

/// Something of the host that is lent to a component for its life.
struct Lent : Object {
  using Object::Object;
  std::string broken(When when) const override;
};
struct LentHost : Lent {
  using Lent::Lent;
  gesso_host_t table{};
  const gesso_host_t* real = nullptr;
};
/// The opaque handle that the component sees is the address of this.
struct LentWeights : Lent {
  using Lent::Lent;
  gesso_weights_t* real = nullptr;
};

/// A table of the other side, and the one with our functions that stands for it.
template <class T>
struct Copy {
  const T* real = nullptr;
  T table{};
};

/// Never freed, so that a use after its end is told and not a crash.
struct Component : Object {
  enum class State { Created, Preparing, Ready, Failed };

  Component(std::shared_ptr<Watcher> watcher, std::string name, const gesso_host_t& host);
  std::string broken(When when) const override;
  /// Counts and tells "plugin ..., component ...: TABLE.FUNCTION: text [mark]".
  void tell(const Rule& rule, const std::string& text) const;
  /// Of one that the host does not use any more: what it, or its plugin, did not end.
  void tell_what_is_left();

  // Things that were opened: tapes, sets, injectors.
  void open(const void* thing, const Rule& opener);
  bool close(const void* thing);  // false: it is not open
  bool is_open(const void* thing) const;
  void keep(std::unique_ptr<Object> object);  // until destroy
  // Units of weights.
  void enter(uint32_t unit);
  bool leave(uint32_t unit);  // false: it is not entered
  /// "unit 3": what is entered though nothing is open that could need it; "": nothing.
  std::string units_left() const;
  /// "what `forward` gave (2)": what is open; "": nothing.
  std::string things_left() const;

  const std::shared_ptr<Watcher> watcher;
  const std::string name;
  gesso_component_t table{};  // what the host sees; `self` is the address of this
  gesso_component_t* real = nullptr;
  LentHost host;
  LentWeights weights;
  std::atomic<State> state = State::Created;
  std::atomic<int> running = 0;    // calls into the plugin, this component's
  std::atomic<int64_t> given = 0;  // tensors that it gave and nobody has released

  mutable std::mutex mutex;  // of what follows
  std::tuple<Copy<gesso_module_t>, Copy<gesso_codec_t>, Copy<gesso_scheduler_t>,
             Copy<gesso_tokenizer_t>, Copy<gesso_memory_policy_t>, Copy<gesso_delta_source_t>,
             Copy<gesso_delta_generator_t>, Copy<gesso_controller_t>, Copy<gesso_injection_t>,
             Copy<gesso_training_t>, Copy<gesso_control_training_t>, Copy<gesso_delta_training_t>,
             Copy<gesso_initial_weights_t>>
      interfaces;
  std::tuple<Copy<gesso_weights_service_t>, Copy<gesso_components_service_t>> services;

 private:
  std::map<const void*, const Rule*> opened_;
  std::map<uint32_t, int> entered_;
  std::vector<std::unique_ptr<Object>> kept_;
};

/// One call of a watched function, from its beginning to its end.
class Visit {
 public:
  /// `into_plugin`: code of the plugin will run.
  Visit(Object& object, const Rule& rule, bool into_plugin);
  ~Visit();
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  Object& object() const { return object_; }
  Component& component() const { return object_.owner; }
  const Rule& rule() const { return rule_; }
  void tell(const std::string& text) const { component().tell(rule_, text); }
  /// Tells, and the call is not made.
  void refuse(const std::string& text);
  bool is_refused() const { return !refusal_.empty(); }
  const std::string& refusal() const { return refusal_; }

 private:
  Object& object_;
  const Rule& rule_;
  bool into_plugin_;
  bool is_user_ = false;
  std::string refusal_;
};

}  // namespace gesso::checking
