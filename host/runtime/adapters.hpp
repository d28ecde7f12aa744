// The adapters of a loaded pipeline: LoRA files and generated updates, stacked in order.
//
// Base weights are never written: see gesso_weights::set_deltas. Not while a run is under way,
// except `arrange`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/parts.hpp"

namespace gesso::runtime {

class Adapters {
 public:
  explicit Adapters(const Parts& parts);
  ~Adapters();
  Adapters(const Adapters&) = delete;
  Adapters& operator=(const Adapters&) = delete;

  /// Reads a file and applies it from the next run on.
  /// @throws Error  InvalidArgument for a name that is taken or a scale that is not finite;
  /// NotFound
  ///                for a role without weights; Incompatible when keys match nothing (all of them,
  ///                or any with `strict`), listing them; the source's own
  void add(const config::AdapterPlan& plan, const CallScope& call);
  /// The same with low-rank tensors a [r, in], b [out, r] for each target. Takes the place of an
  /// adapter of this name.
  void add_generated(const std::string& name, const std::string& role,
                     const std::vector<std::string>& targets, const std::vector<at::Tensor>& a,
                     const std::vector<at::Tensor>& b, config::AdapterPlan::Side side);

  /// @throws Error  NotFound with the names there are; InvalidArgument
  void set_scale(const std::string& name, double scale);
  void remove(const std::string& name);
  nlohmann::json describe() const;

  /// Tells each update which items of the next runs it applies to: the first `positive` ones are
  /// the prompt's side, then come `negative` ones of the other side.
  /// @throws Error  InvalidArgument when there are more items than a mask has bits
  void arrange(size_t positive, size_t negative);
  /// Whether some adapter acts on one side only; if so, whether one batch can hold both sides.
  bool sides_differ() const;
  bool per_item() const;

 private:
  struct Adapter;
  Adapter& get(const std::string& name) const;
  void insert(std::unique_ptr<Adapter> adapter);
  void apply(const std::string& role);

  const Parts& parts_;
  std::vector<std::unique_ptr<Adapter>> adapters_;
  size_t positive_ = 1, negative_ = 0;  // of the last `arrange`
};

}  // namespace gesso::runtime
