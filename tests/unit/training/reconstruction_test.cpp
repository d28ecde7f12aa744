// Losses and gradients of a codec against a plain VAE in double precision under autograd.
#include <doctest/doctest.h>

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/TensorOperators.h>

#include <cmath>

#include "plain_gradients.hpp"
#include "runtime/parts.hpp"
#include "runtime/training/reconstruction.hpp"
#include "small_components.hpp"

using namespace gesso;

namespace {

constexpr const char* kFile = "vae/diffusion_pytorch_model.safetensors";
constexpr double kScaling = 0.3611, kShift = 0.1159;
constexpr int64_t kGroups = 4;
const runtime::ReconstructionWeights kTerms{0.5, 0.01};

/// The autoencoder of diffusers, written from its weights' names.
class PlainVae {
 public:
  explicit PlainVae(const Leaves& weights) : weights_(weights) {}

  at::Tensor loss(const at::Tensor& pixels, const at::Tensor& noise) {
    const at::Tensor moments = encode(pixels.unsqueeze(0)).squeeze(0);
    const int64_t channels = moments.size(0) / 2;
    const at::Tensor mean = (moments.narrow(0, 0, channels) - kShift) * kScaling;
    const at::Tensor log_variance =
        moments.narrow(0, channels, channels).clamp(-30, 20) + 2 * std::log(kScaling);
    const at::Tensor drawn = mean + (log_variance * 0.5).exp() * noise;
    const at::Tensor made = decode((drawn / kScaling + kShift).unsqueeze(0)).squeeze(0);
    const at::Tensor d = made - pixels;
    const at::Tensor edges = d.diff(1, 1).square().mean() + d.diff(1, 2).square().mean();
    const at::Tensor kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean();
    return d.square().mean() + kTerms.edge * edges + kTerms.kl * kl;
  }

 private:
  const at::Tensor& weight(const std::string& name) const { return weights_.at(name); }
  bool has(const std::string& name) const { return weights_.contains(name + ".weight"); }
  at::Tensor conv(const std::string& name, const at::Tensor& x, int64_t stride = 1) {
    const at::Tensor& w = weight(name + ".weight");
    const int64_t padding = stride == 1 ? w.size(2) / 2 : 0;
    return at::conv2d(x, w, weight(name + ".bias"), {stride, stride}, {padding, padding});
  }
  at::Tensor norm(const std::string& name, const at::Tensor& x) {
    return at::group_norm(x, kGroups, weight(name + ".weight"), weight(name + ".bias"), 1e-6);
  }
  at::Tensor resnet(const std::string& name, const at::Tensor& x) {
    const at::Tensor h = conv(name + ".conv1", at::silu(norm(name + ".norm1", x)));
    const at::Tensor y = conv(name + ".conv2", at::silu(norm(name + ".norm2", h)));
    return y + (has(name + ".conv_shortcut") ? conv(name + ".conv_shortcut", x) : x);
  }
  at::Tensor attention(const std::string& name, const at::Tensor& x) {
    const at::Tensor n = norm(name + ".group_norm", x).flatten(2).squeeze(0).t();
    const auto linear = [&](const std::string& part, const at::Tensor& in) {
      return at::linear(in, weight(name + part + ".weight"), weight(name + part + ".bias"));
    };
    const at::Tensor scores = linear(".to_q", n).matmul(linear(".to_k", n).t()) /
                              std::sqrt(static_cast<double>(n.size(1)));
    const at::Tensor mixed = at::softmax(scores, 1).matmul(linear(".to_v", n));
    return x + linear(".to_out.0", mixed).t().reshape(x.sizes());
  }
  at::Tensor middle(const std::string& half, const at::Tensor& x) {
    const std::string name = half + ".mid_block.";
    return resnet(name + "resnets.1",
                  attention(name + "attentions.0", resnet(name + "resnets.0", x)));
  }
  at::Tensor levels(const std::string& blocks, at::Tensor x) {
    for (int64_t level = 0; has(blocks + std::to_string(level) + ".resnets.0.conv1"); ++level) {
      const std::string name = blocks + std::to_string(level);
      for (int64_t i = 0; has(name + ".resnets." + std::to_string(i) + ".conv1"); ++i) {
        x = resnet(name + ".resnets." + std::to_string(i), x);
      }
      if (has(name + ".downsamplers.0.conv")) {
        x = conv(name + ".downsamplers.0.conv", at::constant_pad_nd(x, {0, 1, 0, 1}), 2);
      }
      if (has(name + ".upsamplers.0.conv")) {
        x = conv(name + ".upsamplers.0.conv",
                 at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}));
      }
    }
    return x;
  }
  at::Tensor end(const std::string& half, const at::Tensor& x) {
    return conv(half + ".conv_out", at::silu(norm(half + ".conv_norm_out", x)));
  }
  at::Tensor encode(const at::Tensor& x) {
    return end("encoder",
               middle("encoder", levels("encoder.down_blocks.", conv("encoder.conv_in", x))));
  }
  at::Tensor decode(const at::Tensor& z) {
    return end("decoder",
               levels("decoder.up_blocks.", middle("decoder", conv("decoder.conv_in", z))));
  }

  const Leaves& weights_;
};

struct Bench {
  Bench() {
    plan.name = "test.toml";
    plan.numerics = "precise";
    plan.registry = scan_plugins();
    plan.components = {component(
        *plan.registry, "codec", "org.gesso.flux_vae.codec", kFile,
        {{"scaling_factor", kScaling}, {"shift_factor", kShift}, {"norm_num_groups", kGroups}})};
    parts = std::make_unique<runtime::Parts>(plan, nobody);
  }
  double loss(const gesso_grad_sink_t* weights, int32_t checkpoint, double scale = 1) {
    return runtime::reconstruction_loss(codec(), call, pixels, noise, kTerms, checkpoint, scale,
                                        weights);
  }
  runtime::Instance& codec() { return parts->get("codec"); }

  config::PipelinePlan plan;
  const runtime::Watch nobody;
  const runtime::CallScope call{nobody};
  std::unique_ptr<runtime::Parts> parts;
  const at::Tensor pixels = random({3, 32, 24}, 1).mul(0.5);
  const at::Tensor noise = random({16, 4, 3}, 2);
};

}  // namespace

TEST_CASE("gradients of a codec are those of a plain VAE in double precision") {
  Bench bench;
  runtime::Parameters parameters(bench.codec());
  parameters.train_weights([](const std::string&) { return true; });
  parameters.show(true);
  const Leaves leaves = leaves_of(parameters);
  const at::Tensor expected = [&] {
    const at::AutoGradMode mode(true);
    return PlainVae(leaves).loss(bench.pixels.to(at::kDouble), bench.noise.to(at::kDouble));
  }();
  const auto grads = gradients_of(expected, parameters, leaves);
  CHECK(grads.size() > 200);
  for (const int32_t checkpoint : {GESSO_CHECKPOINT_BLOCKS, GESSO_CHECKPOINT_NONE}) {
    CAPTURE(checkpoint);
    parameters.clear_gradients();
    constexpr double kScale = 0.25;
    const double found = bench.loss(parameters.sink(), checkpoint, kScale);
    CHECK(found == doctest::Approx(expected.item<double>()).epsilon(1e-5));
    check_gradients(parameters, grads, kScale);
  }
}

TEST_CASE("the loss alone is the same number, and leaves no gradients") {
  Bench bench;
  runtime::Parameters parameters(bench.codec());
  parameters.train_weights([](const std::string&) { return true; });
  parameters.show(true);
  CHECK(bench.loss(nullptr, GESSO_CHECKPOINT_BLOCKS) ==
        bench.loss(parameters.sink(), GESSO_CHECKPOINT_BLOCKS));
  parameters.clear_gradients();
  bench.loss(nullptr, GESSO_CHECKPOINT_NONE);
  for (const auto& parameter : parameters.all()) CHECK_FALSE(parameter.grad.defined());
}

TEST_CASE("one half is trained while the other is frozen") {
  Bench bench;
  runtime::Parameters parameters(bench.codec());
  parameters.train_weights([](const std::string& name) { return name.starts_with("decoder."); });
  parameters.show(true);
  bench.loss(parameters.sink(), GESSO_CHECKPOINT_BLOCKS);
  for (const auto& parameter : parameters.all()) CHECK(parameter.grad.defined());
}
