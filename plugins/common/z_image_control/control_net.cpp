// L: tokens, D: width, C: channels of the context or width of the embedded timestep.
#include "z_image_control/control_net.hpp"

#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>

#include "nn/linear.hpp"
#include "z_image/sequence.hpp"
#include "z_image_control/control_points.hpp"

namespace gesso::z_image_control {
namespace {

enum : uint32_t { kWeight, kBias };

constexpr const char* kEmbedder = "control_all_x_embedder.2-1";
constexpr const char* kRefiner = "control_noise_refiner";
constexpr const char* kLayers = "control_layers";

nn::WeightUnit linear_unit(const Weights& weights, const std::string& name, int64_t out,
                           int64_t in) {
  return {weights, name, {{name + ".weight", {out, in}}, {name + ".bias", {out}}}};
}

at::Tensor project(const nn::WeightUnit::Scope& w, const at::Tensor& x_LD, int64_t item) {
  return nn::linear(x_LD, w[kWeight], w[kBias].data, item);
}

}  // namespace

ControlConfig read_config(const Setup& setup) {
  const auto extent = [&](const std::string& name, size_t axis) {
    return setup.weights.describe(name.c_str()).shape.at(axis);
  };
  const std::string block = std::string(kLayers) + ".0";
  ControlConfig config{};
  z_image::DitConfig& c = config.blocks;
  c.dim = extent(std::string(kEmbedder) + ".weight", 0);
  config.context_channels =
      extent(std::string(kEmbedder) + ".weight", 1) / (z_image::kPatch * z_image::kPatch);
  c.head_dim = extent(block + ".attention.norm_q.weight", 0);
  c.heads = c.dim / c.head_dim;
  c.ffn_dim = extent(block + ".feed_forward.w1.weight", 0);
  c.condition_dim = extent(block + ".adaLN_modulation.0.weight", 1);
  c.n_layers = z_image::count_blocks(setup.weights, kLayers);
  c.norm_eps = setup.values.real("config.norm_eps", 1e-5);
  config.n_refiners = z_image::count_blocks(setup.weights, kRefiner);

  constexpr const char* kPlaces = "config.control_layers_places";
  if (setup.values.has(kPlaces)) {
    config.places = setup.values.integers(kPlaces);
  } else {
    for (int64_t i = 0; i < c.n_layers; ++i) config.places.push_back(2 * i);
  }
  if (config.places.size() != static_cast<size_t>(c.n_layers)) {
    throw Error(Status::Incompatible, "config control_layers_places: expected " +
                                          std::to_string(c.n_layers) +
                                          " places, one per block in the weights, found " +
                                          std::to_string(config.places.size()));
  }
  return config;
}

ControlBlock::ControlBlock(const Weights& weights, const std::string& name,
                           const ControlConfig& config, bool is_first)
    : block(weights, name, config.blocks, /*modulated=*/true),
      after(linear_unit(weights, name + ".after_proj", config.blocks.dim, config.blocks.dim)) {
  const int64_t D = config.blocks.dim;
  if (is_first) before = linear_unit(weights, name + ".before_proj", D, D);
}

/// One context on its way beside the transformer, in one run after the other.
class ControlNet::Run : public Injector {
 public:
  Run(ControlNet& net, const at::Tensor& context, double scale, const PointList& points)
      : net_(net),
        context_CHW_(context.clone()),
        scale_(scale),
        points_(points, net.refiners_.size(), net.config_.places) {}

  const std::vector<uint32_t>& points() const override { return points_.all; }

  void at(const Call& call, uint32_t point, const Taps& taps, const Residuals& residuals) override {
    const c10::InferenceMode guard;
    if (point == points_.embed) return begin(call, taps);
    if (point == points_.unified) return join(call, taps);
    for (size_t i = 0; i < points_.refiners.size(); ++i) {
      if (point == points_.refiners[i]) return step(call, net_.refiners_, i, residuals);
    }
    for (size_t i = 0; i < points_.layers.size(); ++i) {
      if (point == points_.layers[i]) return step(call, net_.layers_, i, residuals);
    }
  }

 private:
  using P = ControlPoints;

  struct Item {
    at::Tensor state_LD, condition_1C;
    nn::Rotary rotary;
  };

  void take(const Taps& taps, const std::vector<uint32_t>& places) {
    const auto conditions = copies(taps, places[P::kCondition]);
    const auto cos = copies(taps, places[P::kCos]), sin = copies(taps, places[P::kSin]);
    items_.resize(conditions.size());
    for (size_t i = 0; i < items_.size(); ++i) {
      items_[i].condition_1C = conditions[i].unsqueeze(0);
      items_[i].rotary = {cos.at(i), sin.at(i)};
    }
  }

  void begin(const Call& call, const Taps& taps) {
    items_.clear();
    take(taps, points_.embed_taps);
    const auto xs = taps.list(points_.embed_taps[P::kX]),
               sizes = taps.list(points_.embed_taps[P::kCounts]);
    std::vector<at::Tensor> embedded;
    {
      const auto w = net_.embedder_.enter(call);
      for (size_t i = 0; i < items_.size(); ++i) {
        embedded.push_back(embed(w, torch::borrow(xs[i]), sizes[i]->dl_tensor, i));
      }
    }
    if (net_.refiners_.empty()) {
      for (size_t i = 0; i < items_.size(); ++i) items_[i].state_LD = embedded[i];
      return;
    }
    enter_stack(call, net_.refiners_[0], embedded, xs);
  }

  /// The context as tokens; what pads the picture pads it, too.
  at::Tensor embed(const nn::WeightUnit::Scope& w, const at::Tensor& x_LD, const DLTensor& sizes,
                   size_t item) const {
    const auto counts = elements<const int64_t>(sizes);  // rows, columns, tokens
    check_fit(net_.config_, context_CHW_, x_LD, counts);
    const at::Tensor patches = z_image::patchify(context_CHW_.to(w[kWeight].data.scalar_type()));
    const at::Tensor control_LD = project(w, patches, static_cast<int64_t>(item));
    const int64_t padding = x_LD.size(0) - counts[2];
    return at::cat({control_LD, x_LD.narrow(0, counts[2], padding)});
  }

  void join(const Call& call, const Taps& taps) {
    take(taps, points_.unified_taps);
    const auto xs = taps.list(points_.unified_taps[P::kX]),
               counts = taps.list(points_.unified_taps[P::kCounts]);
    std::vector<at::Tensor> joined;
    for (size_t i = 0; i < items_.size(); ++i) {
      const at::Tensor x_LD = torch::borrow(xs[i]);
      const int64_t image = elements<const int64_t>(counts[i]->dl_tensor)[0];
      const at::Tensor caption_LD = x_LD.narrow(0, image, x_LD.size(0) - image);
      joined.push_back(at::cat({items_[i].state_LD, caption_LD}));
    }
    enter_stack(call, net_.layers_[0], joined, xs);
  }

  void enter_stack(const Call& call, ControlBlock& first, const std::vector<at::Tensor>& control,
                   const std::vector<const gesso_tensor_t*>& xs) {
    const auto w = first.before.enter(call);
    for (size_t i = 0; i < items_.size(); ++i) {
      items_[i].state_LD = project(w, control[i], static_cast<int64_t>(i));
      items_[i].state_LD.add_(torch::borrow(xs[i]));
    }
  }

  void step(const Call& call, std::vector<ControlBlock>& blocks, size_t place,
            const Residuals& residuals) {
    ControlBlock& block = blocks[place];
    block.after.prefetch();
    {
      const auto scope = block.block.enter(call);
      for (size_t i = 0; i < items_.size(); ++i) {
        Item& item = items_[i];
        scope.forward(item.state_LD, item.rotary, item.condition_1C, static_cast<int64_t>(i));
      }
    }
    if (place + 1 < blocks.size()) blocks[place + 1].block.prefetch();
    const auto w = block.after.enter(call);
    for (size_t i = 0; i < items_.size(); ++i) {
      at::Tensor residual = project(w, items_[i].state_LD, static_cast<int64_t>(i));
      residuals.put(static_cast<int32_t>(i), torch::give(residual.mul_(scale_)));
    }
  }

  ControlNet& net_;
  at::Tensor context_CHW_;
  double scale_;
  ControlPoints points_;
  std::vector<Item> items_;
};

void check_fit(const ControlConfig& config, const at::Tensor& context_CHW, const at::Tensor& x_LD,
               std::span<const int64_t> counts) {
  const int64_t width_here = config.blocks.dim;
  if (x_LD.size(1) != width_here) {
    throw Error(Status::Incompatible, "the ControlNet is " + std::to_string(width_here) +
                                          " wide, the denoiser " + std::to_string(x_LD.size(1)) +
                                          "; is it for another model?");
  }
  const int64_t height = counts[0] * z_image::kPatch, width = counts[1] * z_image::kPatch;
  if (context_CHW.size(1) != height || context_CHW.size(2) != width) {
    throw Error(Status::InvalidArgument,
                "the control picture has " + std::to_string(context_CHW.size(1)) + " x " +
                    std::to_string(context_CHW.size(2)) + " latent cells, the picture to make " +
                    std::to_string(height) + " x " + std::to_string(width));
  }
}

ControlNet::ControlNet(const Setup& setup)
    : config_(read_config(setup)),
      embedder_(linear_unit(setup.weights, kEmbedder, config_.blocks.dim,
                            config_.context_channels * z_image::kPatch * z_image::kPatch)) {
  for (int64_t i = 0; i < config_.n_refiners; ++i) {
    refiners_.emplace_back(setup.weights, std::string(kRefiner) + "." + std::to_string(i), config_,
                           i == 0);
  }
  for (int64_t i = 0; i < config_.blocks.n_layers; ++i) {
    layers_.emplace_back(setup.weights, std::string(kLayers) + "." + std::to_string(i), config_,
                         i == 0);
  }
}

void ControlNet::check_context(const at::Tensor& context) const {
  if (context.dim() != 3 || context.size(0) != config_.context_channels ||
      context.size(1) % z_image::kPatch != 0 || context.size(2) % z_image::kPatch != 0) {
    throw Error(Status::InvalidArgument,
                "context: expected [" + std::to_string(config_.context_channels) +
                    ", h, w] with even h and w, found " + shape_text(context.sizes()));
  }
}

std::unique_ptr<Injector> ControlNet::open(const at::Tensor& context, double scale,
                                           const PointList& points) {
  check_context(context);
  return std::make_unique<Run>(*this, context, scale, points);
}

}  // namespace gesso::z_image_control
