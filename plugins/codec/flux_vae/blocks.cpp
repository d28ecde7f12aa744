// B: 1, C: channels, H, W: height and width, L: H * W.
#include "blocks.hpp"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/linear.h>

#include "gesso/cpp/training_torch.hpp"
#include "nn/attention.hpp"
#include "nn/convolution.hpp"
#include "nn/group_norm.hpp"

namespace gesso::flux_vae {
namespace {

constexpr double kEps = 1e-6;

using nn::conv2d;

template <class Weight>
at::Tensor group_norm(const at::Tensor& x, int64_t groups, const Weight& weight,
                      const Weight& bias) {
  const auto type = x.scalar_type();
  return at::group_norm(x, groups, weight.data.to(type), bias.data.to(type), kEps);
}

template <class Weight>
at::Tensor norm_silu(const at::Tensor& x, int64_t groups, const Weight& weight,
                     const Weight& bias) {
  return nn::group_norm_silu(x, groups, weight.data, bias.data, kEps);
}

/// Weight and bias of a layer, as requests; any extents that the file has.
void add_layer(std::vector<nn::WeightSpec>& specs, const Weights& weights,
               const std::string& name) {
  for (const char* part : {".weight", ".bias"}) {
    specs.push_back(
        {name + part, weights.describe(name + part).shape, uint32_t{GESSO_WEIGHT_NO_TARGET}});
  }
}

nn::WeightUnit unit_of(const Weights& weights, const std::string& name,
                       const std::vector<std::string>& layers) {
  std::vector<nn::WeightSpec> specs;
  for (const std::string& layer : layers) add_layer(specs, weights, layer);
  return nn::WeightUnit(weights, name, specs);
}

/// Multiplications and additions of one convolution per cell of its result.
uint64_t flops_per_cell(const Weights& weights, const std::string& layer) {
  uint64_t product = 2;
  for (const int64_t extent : weights.describe(layer + ".weight").shape) product *= extent;
  return product;
}

enum : uint32_t { kWeight, kBias };  // of blocks with one layer

/// A block whose `compute(x, weights)` serves drawing and training alike: weights are entered in
/// order either way, and nothing that autograd keeps is written over.
template <class Derived>
class UnitBlock : public Block {
 public:
  at::Tensor forward(const Call& call, at::Tensor x_BCHW) override {
    return self().compute(std::move(x_BCHW), unit_.enter(call));
  }
  at::Tensor train(const Call& call, torch::Leaves& leaves, const at::Tensor& x_BCHW) override {
    return self().compute(x_BCHW, leaves.enter(call, unit_.unit()));
  }

 protected:
  explicit UnitBlock(nn::WeightUnit unit) : unit_(std::move(unit)) {}
  nn::WeightUnit unit_;

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }
};

class Convolution : public UnitBlock<Convolution> {
 public:
  enum Kind { Same, Down, Up };
  Convolution(const Weights& weights, const std::string& unit, const std::string& layer, Kind kind)
      : UnitBlock(unit_of(weights, unit, {layer})),
        kind_(kind),
        channels_(weights.describe(layer + ".weight").shape.at(0)),
        flops_(flops_per_cell(weights, layer)) {}

  template <class Entered>
  at::Tensor compute(at::Tensor x_BCHW, const Entered& w) const {
    if (kind_ == Down) {
      x_BCHW = at::constant_pad_nd(x_BCHW, {0, 1, 0, 1});
      return conv2d(x_BCHW, w[kWeight].data, w[kBias].data, 2, 0);
    }
    if (kind_ == Up) return nn::doubled_conv2d(x_BCHW, w[kWeight].data, w[kBias].data);
    return conv2d(x_BCHW, w[kWeight].data, w[kBias].data, 1, 1);
  }

  Work work(int64_t& height, int64_t& width) const override {
    if (kind_ == Down) height /= 2, width /= 2;
    if (kind_ == Up) height *= 2, width *= 2;
    const uint64_t cells = height * width;
    const uint64_t flops = kind_ == Up ? flops_ * 4 / 9 : flops_;  // see nn::doubled_conv2d
    return {flops * cells, channels_ * cells};
  }

 private:
  Kind kind_;
  uint64_t channels_, flops_;
};

class Residual : public UnitBlock<Residual> {
 public:
  Residual(const Weights& weights, const std::string& name, int64_t groups)
      : UnitBlock(unit_of(weights, name, layers_of(weights, name))),
        groups_(groups),
        channels_(weights.describe(name + ".conv1.weight").shape.at(0)) {
    const std::vector<std::string> layers = layers_of(weights, name);
    shortcut_ = layers.size() == 5;
    for (const std::string& layer : layers) {
      if (!layer.ends_with("norm1") && !layer.ends_with("norm2")) {
        flops_ += flops_per_cell(weights, layer);
      }
    }
  }

  template <class Entered>
  at::Tensor compute(at::Tensor x_BCHW, const Entered& w) const {
    at::Tensor h_BCHW = norm_silu(x_BCHW, groups_, w[kNorm1], w[kNorm1Bias]);
    h_BCHW = conv2d(h_BCHW, w[kConv1].data, w[kConv1Bias].data, 1, 1);
    h_BCHW = norm_silu(h_BCHW, groups_, w[kNorm2], w[kNorm2Bias]);
    h_BCHW = conv2d(h_BCHW, w[kConv2].data, w[kConv2Bias].data, 1, 1);
    if (shortcut_) x_BCHW = conv2d(x_BCHW, w[kShortcut].data, w[kShortcutBias].data);
    return h_BCHW.add_(x_BCHW);
  }

  Work work(int64_t& height, int64_t& width) const override {
    const uint64_t cells = height * width;
    return {flops_ * cells, channels_ * cells};
  }

 private:
  static std::vector<std::string> layers_of(const Weights& weights, const std::string& name) {
    std::vector<std::string> layers{name + ".norm1", name + ".conv1", name + ".norm2",
                                    name + ".conv2"};
    if (weights.find(name + ".conv_shortcut.weight")) layers.push_back(name + ".conv_shortcut");
    return layers;
  }
  enum : uint32_t {
    kNorm1,
    kNorm1Bias,
    kConv1,
    kConv1Bias,
    kNorm2,
    kNorm2Bias,
    kConv2,
    kConv2Bias,
    kShortcut,
    kShortcutBias
  };
  int64_t groups_;
  uint64_t channels_, flops_ = 0;
  bool shortcut_ = false;
};

class Attention : public UnitBlock<Attention> {
 public:
  Attention(const Weights& weights, const std::string& name, int64_t groups)
      : UnitBlock(unit_of(weights, name,
                          {name + ".group_norm", name + ".to_q", name + ".to_k", name + ".to_v",
                           name + ".to_out.0"})),
        groups_(groups),
        channels_(weights.describe(name + ".to_q.weight").shape.at(0)) {}

  template <class Entered>
  at::Tensor compute(at::Tensor x_BCHW, const Entered& w) const {
    const at::Tensor n_LC =
        group_norm(x_BCHW, groups_, w[kNorm], w[kNormBias]).flatten(2).squeeze(0).t();
    const auto project = [&](const at::Tensor& x, uint32_t place) {
      const auto type = x.scalar_type();
      return at::linear(x, w[place].data.to(type), w[place + 1].data.to(type));
    };
    const auto one_head = [&](uint32_t place) { return project(n_LC, place).unsqueeze(1); };
    const at::Tensor mixed_LC = nn::attention(one_head(kToQ), one_head(kToK), one_head(kToV));
    return x_BCHW.add(project(mixed_LC, kToOut).t().view_as(x_BCHW));
  }

  Work work(int64_t& height, int64_t& width) const override {
    const uint64_t cells = height * width;
    return {cells * channels_ * (8 * channels_ + 4 * cells), channels_ * cells};
  }

 private:
  enum : uint32_t { kNorm, kNormBias, kToQ, kToQBias, kToK, kToKBias, kToV, kToVBias, kToOut };
  int64_t groups_;
  uint64_t channels_;
};

class Output : public UnitBlock<Output> {
 public:
  Output(const Weights& weights, const std::string& name, int64_t groups)
      : UnitBlock(unit_of(weights, name + "_out", {name + "_norm_out", name + "_out"})),
        groups_(groups),
        channels_(weights.describe(name + "_out.weight").shape.at(0)),
        flops_(flops_per_cell(weights, name + "_out")) {}

  template <class Entered>
  at::Tensor compute(at::Tensor x_BCHW, const Entered& w) const {
    const at::Tensor h_BCHW = norm_silu(x_BCHW, groups_, w[kNorm], w[kNormBias]);
    return conv2d(h_BCHW, w[kConv].data, w[kConvBias].data, 1, 1);
  }

  Work work(int64_t& height, int64_t& width) const override {
    const uint64_t cells = height * width;
    return {flops_ * cells, channels_ * cells};
  }

 private:
  enum : uint32_t { kNorm, kNormBias, kConv, kConvBias };
  int64_t groups_;
  uint64_t channels_, flops_;
};

}  // namespace

std::unique_ptr<Block> convolution(const Weights& weights, const std::string& name) {
  return std::make_unique<Convolution>(weights, name, name, Convolution::Same);
}
std::unique_ptr<Block> downsample(const Weights& weights, const std::string& name) {
  return std::make_unique<Convolution>(weights, name, name + ".conv", Convolution::Down);
}
std::unique_ptr<Block> upsample(const Weights& weights, const std::string& name) {
  return std::make_unique<Convolution>(weights, name, name + ".conv", Convolution::Up);
}
std::unique_ptr<Block> residual(const Weights& weights, const std::string& name, int64_t groups) {
  return std::make_unique<Residual>(weights, name, groups);
}
std::unique_ptr<Block> attention(const Weights& weights, const std::string& name, int64_t groups) {
  return std::make_unique<Attention>(weights, name, groups);
}
std::unique_ptr<Block> output(const Weights& weights, const std::string& name, int64_t groups) {
  return std::make_unique<Output>(weights, name, groups);
}

}  // namespace gesso::flux_vae
