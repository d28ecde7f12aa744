// The ControlNet traced for training: the same stops as in control_net.cpp, and the way back from
// each of them in reverse order.
//
// L: tokens, D: width, C: channels of the context or width of the embedded timestep.
#include <ATen/ops/cat.h>

#include "gesso/cpp/training_torch.hpp"
#include "nn/trainable.hpp"
#include "z_image/sequence.hpp"
#include "z_image_control/control_net.hpp"
#include "z_image_control/control_points.hpp"

namespace gesso::z_image_control {
namespace {

using torch::Leaves;
using torch::Trace;
using torch::Value;
using Tensors = Trace::Tensors;
using P = ControlPoints;

enum : uint32_t { kWeight, kBias };

at::Tensor project(const Call& call, Leaves& leaves, nn::WeightUnit& unit, const at::Tensor& x) {
  const auto& w = leaves.enter(call, unit.unit());
  return nn::trainable::linear(x, w[kWeight], w[kBias].data);
}

}  // namespace

class ControlNet::Training : public TrainedInjector {
 public:
  Training(ControlNet& net, const at::Tensor& context, double scale, const PointList& points,
           const ControlTraining& training)
      : net_(net),
        context_CHW_(context.clone()),
        scale_(scale),
        points_(points, net.refiners_.size(), net.config_.places),
        trace_(training.checkpoint),
        weights_(training.weights) {}

  const std::vector<uint32_t>& points() const override { return points_.all; }

  void at(const Call& call, uint32_t point, const Taps& taps, const Residuals& residuals) override {
    stops_.push_back({point, trace_.mark(), {}, {}});
    if (point == points_.embed) return begin(call, taps);
    if (point == points_.unified) return join(call, taps);
    for (size_t i = 0; i < points_.refiners.size(); ++i) {
      if (point == points_.refiners[i]) return step(call, net_.refiners_[i], residuals);
    }
    for (size_t i = 0; i < points_.layers.size(); ++i) {
      if (point == points_.layers[i]) return step(call, net_.layers_[i], residuals);
    }
  }

  void back(const Call& call, uint32_t point, const ResidualGradients& residuals,
            const TapGradients& taps) override {
    if (stops_.empty() || stops_.back().point != point) {
      throw Error(Status::BadState, "points are to be gone back in reverse order");
    }
    const Stop stop = std::move(stops_.back());
    stops_.pop_back();
    for (size_t i = 0; i < stop.residuals.size(); ++i) {
      const gesso_tensor_t* grad = residuals.of(static_cast<int32_t>(i));
      if (grad && stop.residuals[i].needs_gradient()) {
        trace_.add_gradient(stop.residuals[i].place, torch::borrow(grad).clone());
      }
    }
    trace_.run_back(stop.mark, call, weights_);
    for (const auto& [tap, item, value] : stop.taps) {
      const at::Tensor grad = trace_.take_gradient(value.place);
      if (grad.defined()) taps.put(tap, item, torch::give(grad.contiguous()));
    }
  }

 private:
  struct Item {
    Value state_1LD, condition_11C;
    nn::Rotary rotary;
  };
  /// What was read and given at a point.
  struct Stop {
    uint32_t point;
    size_t mark;
    std::vector<Trace::Tap> taps;
    std::vector<Value> residuals;
  };

  template <class Run>
  Value piece(const Call& call, const std::vector<Value>& inputs, Run run) {
    return trace_
        .piece(call, inputs,
               [run](const Call& c, Leaves& l, const Tensors& in) -> Tensors {
                 return {run(c, l, in)};
               })
        .front();
  }

  /// The values of a tap, whose gradients go back at this point.
  std::vector<Value> read(const Taps& taps, uint32_t tap) {
    std::vector<Value> values;
    for (at::Tensor& tensor : copies(taps, tap)) {
      values.push_back(trace_.variable(std::move(tensor)));
      stops_.back().taps.push_back({tap, static_cast<int32_t>(values.size() - 1), values.back()});
    }
    return values;
  }

  void take(const Taps& taps, const std::vector<uint32_t>& places) {
    const auto conditions = read(taps, places[P::kCondition]);
    const auto cos = copies(taps, places[P::kCos]), sin = copies(taps, places[P::kSin]);
    items_.resize(conditions.size());
    for (size_t i = 0; i < items_.size(); ++i) {
      items_[i].condition_11C = {conditions[i].tensor.view({1, 1, -1}), conditions[i].place};
      items_[i].rotary = {cos.at(i), sin.at(i)};
    }
  }

  void begin(const Call& call, const Taps& taps) {
    items_.clear();
    take(taps, points_.embed_taps);
    const auto xs = read(taps, points_.embed_taps[P::kX]);
    const auto sizes = taps.list(points_.embed_taps[P::kCounts]);
    for (size_t i = 0; i < items_.size(); ++i) {
      const auto counts = elements<const int64_t>(sizes[i]->dl_tensor);
      check_fit(net_.config_, context_CHW_, xs[i].tensor, counts);
      const Value context = Trace::constant(context_CHW_);
      const int64_t tokens = counts[2], padding = xs[i].tensor.size(0) - tokens;
      items_[i].state_1LD =
          piece(call, {context, xs[i]},
                [&net = net_, tokens, padding](const Call& c, Leaves& l, const Tensors& in) {
                  const auto type = in[1].scalar_type();
                  const at::Tensor patches = z_image::patchify(in[0].to(type));
                  const at::Tensor control_LD = project(c, l, net.embedder_, patches);
                  return at::cat({control_LD, in[1].narrow(0, tokens, padding)}).unsqueeze(0);
                });
    }
    if (!net_.refiners_.empty()) enter_stack(call, net_.refiners_[0], xs);
  }

  void join(const Call& call, const Taps& taps) {
    take(taps, points_.unified_taps);
    const auto xs = read(taps, points_.unified_taps[P::kX]);
    const auto counts = taps.list(points_.unified_taps[P::kCounts]);
    for (size_t i = 0; i < items_.size(); ++i) {
      const int64_t image = elements<const int64_t>(counts[i]->dl_tensor)[0];
      items_[i].state_1LD = piece(
          call, {items_[i].state_1LD, xs[i]}, [image](const Call&, Leaves&, const Tensors& in) {
            const at::Tensor caption_LD = in[1].narrow(0, image, in[1].size(0) - image);
            return at::cat({in[0], caption_LD.unsqueeze(0)}, 1);
          });
    }
    enter_stack(call, net_.layers_[0], xs);
  }

  void enter_stack(const Call& call, ControlBlock& first, const std::vector<Value>& xs) {
    for (size_t i = 0; i < items_.size(); ++i) {
      items_[i].state_1LD =
          piece(call, {items_[i].state_1LD, xs[i]},
                [&first](const Call& c, Leaves& l, const Tensors& in) {
                  return project(c, l, first.before, in[0]).add(in[1].unsqueeze(0));
                });
    }
  }

  void step(const Call& call, ControlBlock& block, const Residuals& residuals) {
    for (size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      item.state_1LD =
          piece(call, {item.state_1LD, item.condition_11C},
                [&block, rotary = item.rotary](const Call& c, Leaves& l, const Tensors& in) {
                  return block.block.train(c, l, in[0], rotary, {in[1]});
                });
      const Value residual =
          piece(call, {item.state_1LD},
                [&block, scale = scale_](const Call& c, Leaves& l, const Tensors& in) {
                  return project(c, l, block.after, in[0]).squeeze(0).mul(scale);
                });
      stops_.back().residuals.push_back(residual);
      residuals.put(static_cast<int32_t>(i), torch::give(residual.tensor));
    }
  }

  ControlNet& net_;
  at::Tensor context_CHW_;
  double scale_;
  ControlPoints points_;
  Trace trace_;
  WeightGradients weights_;
  std::vector<Item> items_;
  std::vector<Stop> stops_;
};

std::unique_ptr<TrainedInjector> ControlNet::open_training(const at::Tensor& context, double scale,
                                                           const PointList& points,
                                                           const ControlTraining& training) {
  check_context(context);
  return std::make_unique<Training>(*this, context, scale, points, training);
}

}  // namespace gesso::z_image_control
