// A tape made of a plain forward pass with libtorch: the run is cut into pieces, each a
// differentiable function; autograd works inside of one piece only, and nothing of it crosses.
//
//   std::unique_ptr<gesso::Tape> train(call, inputs, outputs, request) {
//     auto trace = std::make_unique<gesso::torch::Trace>(request);
//     auto x = trace->input("latents", 0, inputs);
//     for (Block& block : blocks_) {
//       x = trace->piece(call, {x}, [&block](auto& call, auto& leaves, auto& in) {
//         const auto& w = leaves.enter(call, block.unit);
//         return std::vector{block.forward(in[0], w)};
//       }).front();
//     }
//     trace->output("prediction", 0, x, outputs);
//     return trace;
//   }
//
// With checkpoints a piece runs twice: first without autograd, where it may take whatever is
// fastest, and on the way back with it. What is dear to compute and small need not be computed
// twice: see Leaves::once. What a piece captures must live as long as the tape; what it needs no
// gradient of can be captured by value, such as position tables.
#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/autograd.h>

#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "../kind/delta_source.h"
#include "control_training.hpp"
#include "torch.hpp"
#include "training.hpp"

namespace gesso::torch {

/// A low-rank update: y += scale * (x a^T) b^T.
struct LowRank {
  at::Tensor a, b;
  double scale = 1;
  uint64_t items = ~uint64_t{0};  ///< bit i: applies to item i of the batch
};

/// A weight and its updates, as tensors.
struct Weight {
  at::Tensor data{};  ///< undefined when an optional weight is absent
  std::vector<LowRank> deltas{};
};

/// The weights that a piece uses: entered, wrapped, and those to be trained made leaves of
/// autograd. Units stay entered until its end.
class Leaves {
 public:
  /// In the order of the unit's requests; valid until the end of this.
  const std::vector<Weight>& enter(const Call& call, const Unit& unit) {
    call.poll();
    Entered& entered = entered_.emplace_back(unit, call);
    const Unit::Guard& guard = *entered.guard;
    entered.weights.resize(guard.size());
    for (uint32_t i = 0; i < guard.size(); ++i) {
      Weight& weight = entered.weights[i];
      const gesso_weight_view_t& view = guard[i];
      weight.data = torch::plain_weight(view);
      if (view.flags & GESSO_WEIGHT_TRAINABLE) {
        track(weight.data, {unit.id(), i, GESSO_THE_WEIGHT, 0});
      }
      for (uint64_t k = 0; k < view.n_deltas; ++k) {
        const gesso_delta_t& delta = view.deltas[k];
        LowRank& update = weight.deltas.emplace_back(read(delta));
        if (!(delta.flags & GESSO_WEIGHT_TRAINABLE)) continue;
        track(update.a, {unit.id(), i, delta.id, 0});
        track(update.b, {unit.id(), i, delta.id, 1});
      }
    }
    return entered.weights;
  }
  bool trainable() const { return !tracked_.empty(); }

  /// The tensors that `make` makes without autograd. Those of the first run of a piece are found
  /// again by the second one, in the order of the calls; with GESSO_CHECKPOINT_BLOCKS alone.
  template <class Make>
  std::vector<at::Tensor> once(const Make& make) {
    if (memory_ && again_) return std::move(memory_->at(next_++));
    const at::AutoGradMode mode(false);
    std::vector<at::Tensor> made = make();
    if (memory_) memory_->push_back(made);
    return made;
  }

 private:
  friend class Trace;
  using Memory = std::vector<std::vector<at::Tensor>>;
  struct Entered {
    Entered(const Unit& unit, const Call& call) : guard(new Unit::Guard(unit.enter(call))) {}
    std::unique_ptr<Unit::Guard> guard;
    std::vector<Weight> weights;
  };
  struct Place {
    uint32_t unit, weight, delta, part;
  };
  static LowRank read(const gesso_delta_t& delta) {
    if (delta.form != std::string_view(GESSO_DELTA_LOW_RANK) || delta.n_parts != 2) {
      throw Error(Status::NotSupported,
                  std::string("expected an update of form low_rank with 2 parts, found ") +
                      delta.form + " with " + std::to_string(delta.n_parts));
    }
    return {borrow(delta.parts[0]), borrow(delta.parts[1]), delta.scale, delta.items};
  }
  void track(at::Tensor& tensor, const Place& place) {
    tensor.requires_grad_(true);
    tracked_.emplace_back(place, tensor);
  }
  std::deque<Entered> entered_;
  std::vector<std::pair<Place, at::Tensor>> tracked_;
  Memory* memory_ = nullptr;  // of `once`; null: nothing is remembered
  bool again_ = false;        // the second run
  size_t next_ = 0;
};

/// A tensor on its way through a traced run.
struct Value {
  at::Tensor tensor{};
  size_t place = ~size_t{0};  ///< of its gradient in the trace; none for constants
  bool needs_gradient() const { return place != ~size_t{0}; }
};

class Trace : public Tape {
 public:
  using Tensors = std::vector<at::Tensor>;
  using Piece = std::function<Tensors(const Call&, Leaves&, const Tensors& inputs)>;
  enum class Keep {
    AsAsked,  ///< as the request's checkpoint says
    Always    ///< a piece at the very end: it would be computed again at once
  };

  explicit Trace(const TrainRequest& request) : Trace(request.checkpoint()) { request_ = &request; }
  explicit Trace(int32_t checkpoint)
      : keeps_(checkpoint == GESSO_CHECKPOINT_NONE),
        remembers_(checkpoint == GESSO_CHECKPOINT_BLOCKS) {}

  /// An input of the operation; copied, since it is borrowed for the call alone. Its gradient is
  /// given to the host if the request wants it. Only within the forward run.
  Value input(std::string_view port, int32_t index, const at::Tensor& borrowed) {
    Value value = constant(borrowed.clone());
    if (request_ && request_->wants(port)) {
      value = variable(value.tensor);
      inputs_.push_back({std::string(port), index, value.place});
    }
    return value;
  }
  static Value constant(at::Tensor tensor) { return {std::move(tensor)}; }
  /// A value whose gradient is wanted by whoever drives `run_back` and `take_gradient`.
  Value variable(at::Tensor tensor) {
    grads_.push_back({tensor.sizes().vec(), {}});
    return {std::move(tensor), grads_.size() - 1};
  }

  /// Runs a piece and keeps what its way back needs, if anything in it or before it is trained.
  std::vector<Value> piece(const Call& call, const std::vector<Value>& inputs, Piece run,
                           Keep keep = Keep::AsAsked) {
    Record record{std::move(run), inputs, {}, {}, nullptr};
    const bool keeps = keeps_ || keep == Keep::Always;
    auto leaves = std::make_unique<Leaves>();
    Tensors results;
    {
      const at::AutoGradMode mode(keeps);
      if (!keeps && remembers_) leaves->memory_ = &record.memory;
      Tensors given = variables(record.inputs, keeps);
      results = record.run(call, *leaves, given);
      if (keeps) record.kept = std::make_unique<Graph>(std::move(given), results);
    }
    const bool wanted =
        leaves->trainable() || std::any_of(inputs.begin(), inputs.end(),
                                           [](const Value& v) { return v.needs_gradient(); });
    std::vector<Value> made;
    for (const at::Tensor& result : results) {
      made.push_back(wanted ? variable(result.detach()) : constant(result.detach()));
      if (wanted) record.outputs.push_back(made.back().place);
    }
    if (!wanted) return made;
    if (record.kept) record.kept->leaves = std::move(leaves);
    for (const Value& value : inputs) bytes_ += value.tensor.nbytes();
    for (const Tensors& made : record.memory) {
      for (const at::Tensor& tensor : made) bytes_ += tensor.nbytes();
    }
    steps_.push_back(
        [this, record = std::make_shared<Record>(std::move(record))](
            const Call& c, const WeightGradients& weights) { back(*record, c, weights); });
    return made;
  }

  /// One tap of a point, for one item.
  struct Tap {
    uint32_t tap;
    int32_t item;
    Value value;
  };
  /// Shows values to injectors at a point that can be read; their gradients come back from them.
  void tap(const Call& call, const TrainedInjectors& injectors, uint32_t point,
           const std::vector<Tap>& taps) {
    if (!injectors.wants(point)) return;
    std::vector<Tensor> lent;
    std::vector<gesso_item_t> items;
    std::map<std::pair<uint32_t, int32_t>, size_t> places;
    for (const Tap& t : taps) {
      lent.push_back(give(t.value.tensor));
      items.push_back({t.tap, t.item, lent.back().get()});
      if (t.value.needs_gradient()) places[{t.tap, t.item}] = t.value.place;
    }
    if (!injectors.at(call, point, items).empty()) {
      throw Error(Status::InvalidArgument, "a residual was given at a point that takes none");
    }
    if (!injectors.wants_back(point)) return;
    steps_.push_back([this, injectors, point, places](const Call& c, const WeightGradients&) {
      for (TrainedInjectors::Given& grad : injectors.back(c, point, {})) {
        const auto found = places.find({grad.port, grad.item});
        if (found != places.end()) add_gradient(found->second, adopt(std::move(grad.tensor)));
      }
    });
  }
  /// Adds what injectors want added to the items of a batch; @throws Error for another shape
  void add(const Call& call, const TrainedInjectors& injectors, uint32_t point,
           std::vector<Value*> batch) {
    if (!injectors.wants(point)) return;
    const bool back = injectors.wants_back(point);
    std::vector<std::pair<size_t, size_t>> places(batch.size());  // before and after
    for (TrainedInjectors::Given& residual : injectors.at(call, point, {})) {
      const auto item = static_cast<size_t>(residual.item);
      const at::Tensor added = adopt(std::move(residual.tensor));
      if (item >= batch.size() || batch[item]->tensor.sizes() != added.sizes()) {
        throw Error(Status::InvalidArgument, "residual of item " + std::to_string(residual.item) +
                                                 ": found " + shape_text(added.sizes()) +
                                                 "; is this another model's ControlNet?");
      }
      batch[item]->tensor = batch[item]->tensor.add(added);
    }
    if (!back) return;
    for (size_t i = 0; i < batch.size(); ++i) {
      places[i].first = batch[i]->place;
      *batch[i] = variable(batch[i]->tensor);
      places[i].second = batch[i]->place;
    }
    steps_.push_back([this, injectors, point, places](const Call& c, const WeightGradients&) {
      std::vector<Tensor> lent;
      std::vector<gesso_item_t> items;
      for (size_t i = 0; i < places.size(); ++i) {
        const at::Tensor grad = take_gradient(places[i].second);
        if (!grad.defined()) continue;
        lent.push_back(give(grad));
        items.push_back({0, static_cast<int32_t>(i), lent.back().get()});
        if (places[i].first != Value{}.place) add_gradient(places[i].first, grad);
      }
      injectors.back(c, point, items);
    });
  }

  /// A result of the run.
  void output(std::string_view port, int32_t index, const Value& value, Outputs& outputs) {
    outputs.put(port, index, give(value.tensor.contiguous()));
    if (value.needs_gradient()) outputs_.push_back({std::string(port), index, value.place});
  }

  void backward(const Call& call, const Backward& ports) override {
    for (const Named& output : outputs_) {
      const gesso_tensor_t* grad = ports.output_grad(output.port, output.index);
      if (grad) add_gradient(output.place, borrow(grad).clone());
    }
    run_back(0, call, ports.weights);
    for (const Named& input : inputs_) {
      const at::Tensor grad = take_gradient(input.place);
      if (grad.defined()) ports.put_input_grad(input.port, input.index, give(grad.contiguous()));
    }
  }
  /// How many steps back there are; `run_back` goes down to such a mark.
  size_t mark() const { return steps_.size(); }
  void run_back(size_t mark, const Call& call, const WeightGradients& weights) {
    while (steps_.size() > mark) {
      call.poll();
      const Step step = std::move(steps_.back());
      steps_.pop_back();
      step(call, weights);
    }
  }
  /// `grad` may have other axes of length 1 than the value.
  void add_gradient(size_t place, const at::Tensor& grad) {
    auto& [shape, sum] = grads_.at(place);
    const at::Tensor shaped = grad.reshape(shape);
    sum = sum.defined() ? sum.add(shaped) : shaped;
  }
  at::Tensor take_gradient(size_t place) { return std::exchange(grads_.at(place).second, {}); }

  /// Of the inputs of pieces and what they remember; what autograd keeps inside of one is not seen.
  uint64_t bytes() const override { return bytes_; }

 private:
  /// A piece that was run with autograd, until it is used.
  struct Graph {
    Graph(Tensors in, Tensors out) : inputs(std::move(in)), outputs(std::move(out)) {}
    Tensors inputs, outputs;
    std::unique_ptr<Leaves> leaves{};
  };
  struct Record {
    Piece run;
    std::vector<Value> inputs;
    std::vector<size_t> outputs;
    Leaves::Memory memory;
    std::unique_ptr<Graph> kept;
  };
  struct Named {
    std::string port;
    int32_t index;
    size_t place;
  };
  using Step = std::function<void(const Call&, const WeightGradients&)>;

  static Tensors variables(const std::vector<Value>& values, bool tracked) {
    Tensors list;
    for (const Value& value : values) {
      list.push_back(value.tensor.detach());
      if (tracked && value.needs_gradient()) list.back().requires_grad_(true);
    }
    return list;
  }

  void back(Record& record, const Call& call, const WeightGradients& weights) {
    Tensors roots_grads;
    for (const size_t place : record.outputs) roots_grads.push_back(take_gradient(place));
    const bool used = std::any_of(roots_grads.begin(), roots_grads.end(),
                                  [](const at::Tensor& t) { return t.defined(); });
    if (!used) return;
    const at::AutoGradMode mode(true);
    std::unique_ptr<Graph> graph = std::move(record.kept);
    if (!graph) {
      auto leaves = std::make_unique<Leaves>();
      leaves->again_ = true;
      if (remembers_) leaves->memory_ = &record.memory;
      Tensors given = variables(record.inputs, true);
      Tensors results = record.run(call, *leaves, given);
      graph = std::make_unique<Graph>(std::move(given), std::move(results));
      graph->leaves = std::move(leaves);
    }
    Tensors roots, grads, wanted;
    for (size_t i = 0; i < roots_grads.size(); ++i) {
      if (!roots_grads[i].defined() || !graph->outputs[i].requires_grad()) continue;
      roots.push_back(std::move(graph->outputs[i]));
      grads.push_back(roots_grads[i].to(roots.back().scalar_type()));
    }
    graph->outputs.clear();
    for (const auto& [place, leaf] : graph->leaves->tracked_) wanted.push_back(leaf);
    const size_t n_leaves = wanted.size();
    for (size_t i = 0; i < graph->inputs.size(); ++i) {
      if (graph->inputs[i].requires_grad()) wanted.push_back(graph->inputs[i]);
    }
    if (roots.empty() || wanted.empty()) return;
    Tensors found = ::torch::autograd::grad(roots, wanted, grads, /*retain_graph=*/false,
                                            /*create_graph=*/false, /*allow_unused=*/true);
    roots.clear();
    for (size_t i = 0; i < n_leaves; ++i) {
      if (!found[i].defined()) continue;
      const Leaves::Place& p = graph->leaves->tracked_[i].first;
      weights.put(p.unit, p.weight, p.delta, p.part, give(found[i].contiguous()));
    }
    size_t next = n_leaves;
    for (size_t i = 0; i < graph->inputs.size(); ++i) {
      if (!graph->inputs[i].requires_grad()) continue;
      if (found[next].defined()) add_gradient(record.inputs[i].place, found[next]);
      ++next;
    }
  }

  const TrainRequest* request_ = nullptr;
  bool keeps_, remembers_;
  std::vector<std::pair<std::vector<int64_t>, at::Tensor>> grads_;  // shape and sum, by place
  std::vector<Step> steps_;
  std::vector<Named> inputs_, outputs_;
  uint64_t bytes_ = 0;
};

}  // namespace gesso::torch
