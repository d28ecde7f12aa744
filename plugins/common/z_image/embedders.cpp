#include "z_image/embedders.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/stack.h>

#include <cmath>

#include "gesso/cpp/training_torch.hpp"
#include "nn/linear.hpp"
#include "nn/norm.hpp"
#include "nn/trainable.hpp"
#include "z_image/sequence.hpp"

namespace gesso::z_image {
namespace {

// Places of the weights in their units.
enum Time : uint32_t { kIn, kInBias, kOut, kOutBias };
enum Patch : uint32_t { kPatchWeight, kPatchBias, kPatchPad };
enum Feature : uint32_t { kNorm, kFeatureWeight, kFeatureBias, kFeaturePad };
enum Final : uint32_t { kScaleWeight, kScaleBias, kPixelWeight, kPixelBias };

constexpr double kFinalNormEps = 1e-6;
constexpr double kMaxPeriod = 10000;

/// [1, dim] in float32: cosines, then sines.
at::Tensor sinusoid(float tau, int64_t dim) {
  const int64_t half = dim / 2;
  const at::Tensor frequency =
      at::arange(half, at::kFloat).mul(-std::log(kMaxPeriod)).div(static_cast<double>(half)).exp();
  const at::Tensor angle = frequency.mul(tau);
  return at::cat({angle.cos(), angle.sin()}).unsqueeze(0);
}

/// Appends copies of `token` up to the padded length.
at::Tensor pad_batch(const at::Tensor& x_BLD, const at::Tensor& token_1D) {
  const int64_t missing = padded(x_BLD.size(1)) - x_BLD.size(1);
  if (missing == 0) return x_BLD;
  return at::cat({x_BLD, token_1D.unsqueeze(0).expand({x_BLD.size(0), missing, -1})}, 1);
}

}  // namespace

float rounded_time(float value, Numerics numerics, at::ScalarType type) {
  const bool rounds = numerics == Numerics::DiffSynth && type == at::kBFloat16;
  return rounds ? static_cast<float>(c10::BFloat16(value)) : value;
}

TimeEmbedder::TimeEmbedder(const Weights& weights, const DitConfig& c)
    : unit_(weights, "t_embedder",
            {{"t_embedder.mlp.0.weight", {-1, c.frequency_dim}},
             {"t_embedder.mlp.0.bias", {-1}},
             {"t_embedder.mlp.2.weight", {c.condition_dim, -1}},
             {"t_embedder.mlp.2.bias", {c.condition_dim}}}),
      frequency_dim_(c.frequency_dim) {}

at::ScalarType TimeEmbedder::Scope::type() const { return w_[kIn].data.scalar_type(); }

at::Tensor TimeEmbedder::Scope::forward(float tau, int64_t item) const {
  const at::Tensor wave = sinusoid(tau, owner_.frequency_dim_).to(type());
  const at::Tensor inner = at::silu(nn::linear(wave, w_[kIn], w_[kInBias].data, item));
  return nn::linear(inner, w_[kOut], w_[kOutBias].data, item);
}

at::Tensor TimeEmbedder::train(const Call& call, torch::Leaves& leaves,
                               const std::function<std::vector<float>(at::ScalarType)>& tau_of) {
  const auto& w = leaves.enter(call, unit_.unit());
  const at::ScalarType type = w[kIn].data.scalar_type();
  std::vector<at::Tensor> waves;
  for (const float tau : tau_of(type)) waves.push_back(sinusoid(tau, frequency_dim_));
  const at::Tensor wave_B1F = at::stack(waves).to(type);
  const at::Tensor inner = at::silu(nn::trainable::linear(wave_B1F, w[kIn], w[kInBias].data));
  return nn::trainable::linear(inner, w[kOut], w[kOutBias].data);
}

PatchEmbedder::PatchEmbedder(const Weights& weights, const DitConfig& c)
    : unit_(weights, "all_x_embedder",
            {{"all_x_embedder.2-1.weight", {c.dim, 4 * c.latent_channels}},
             {"all_x_embedder.2-1.bias", {c.dim}},
             {"x_pad_token", {1, c.dim}, GESSO_WEIGHT_NO_TARGET}}) {}

at::Tensor PatchEmbedder::Scope::forward(const at::Tensor& latents_CHW, int64_t item) const {
  const at::Tensor patches = patchify(latents_CHW.to(w_[kPatchWeight].data.scalar_type()));
  const at::Tensor x_LD = nn::linear(patches, w_[kPatchWeight], w_[kPatchBias].data, item);
  return pad_with(x_LD, w_[kPatchPad].data, padded(x_LD.size(0)));
}

at::Tensor PatchEmbedder::train(const Call& call, torch::Leaves& leaves,
                                const std::vector<at::Tensor>& latents_CHW) {
  const auto& w = leaves.enter(call, unit_.unit());
  std::vector<at::Tensor> patches;
  for (const at::Tensor& latents : latents_CHW) {
    patches.push_back(patchify(latents.to(w[kPatchWeight].data.scalar_type())));
  }
  const at::Tensor x_BLD =
      nn::trainable::linear(at::stack(patches), w[kPatchWeight], w[kPatchBias].data);
  return pad_batch(x_BLD, w[kPatchPad].data);
}

FeatureEmbedder::FeatureEmbedder(const Weights& weights, const std::string& name,
                                 const std::string& pad_token, int64_t features, const DitConfig& c)
    : unit_(weights, name,
            {{name + ".0.weight", {features}},
             {name + ".1.weight", {c.dim, features}},
             {name + ".1.bias", {c.dim}},
             {pad_token, {1, c.dim}, GESSO_WEIGHT_NO_TARGET}}),
      eps_(c.norm_eps) {}

at::Tensor FeatureEmbedder::Scope::forward(const at::Tensor& x_LF, int64_t item) const {
  const at::Tensor typed_LF = x_LF.to(w_[kFeatureWeight].data.scalar_type());
  const at::Tensor normed_LF = nn::rms_norm(typed_LF, w_[kNorm].data, owner_.eps_);
  const at::Tensor x_LD = nn::linear(normed_LF, w_[kFeatureWeight], w_[kFeatureBias].data, item);
  return pad_with(x_LD, w_[kFeaturePad].data, padded(x_LD.size(0)));
}

at::Tensor FeatureEmbedder::train(const Call& call, torch::Leaves& leaves,
                                  const std::vector<at::Tensor>& x_LF) {
  const auto& w = leaves.enter(call, unit_.unit());
  std::vector<at::Tensor> rows;
  for (const at::Tensor& features : x_LF) {
    const at::Tensor typed_LF = features.to(w[kFeatureWeight].data.scalar_type()).unsqueeze(0);
    const at::Tensor normed_LF = nn::trainable::rms_norm(typed_LF, w[kNorm].data, eps_);
    const at::Tensor x_1LD =
        nn::trainable::linear(normed_LF, w[kFeatureWeight], w[kFeatureBias].data);
    rows.push_back(pad_batch(x_1LD, w[kFeaturePad].data));
  }
  return at::cat(rows);
}

FinalLayer::FinalLayer(const Weights& weights, const DitConfig& c)
    : unit_(weights, "all_final_layer",
            {{"all_final_layer.2-1.adaLN_modulation.1.weight", {c.dim, c.condition_dim}},
             {"all_final_layer.2-1.adaLN_modulation.1.bias", {c.dim}},
             {"all_final_layer.2-1.linear.weight", {4 * c.latent_channels, c.dim}},
             {"all_final_layer.2-1.linear.bias", {4 * c.latent_channels}}}) {}

at::Tensor FinalLayer::Scope::forward(const at::Tensor& x_LD, const at::Tensor& condition_1C,
                                      int64_t item) const {
  const at::Tensor scale =
      nn::linear(at::silu(condition_1C), w_[kScaleWeight], w_[kScaleBias].data, item).add(1);
  const at::Tensor y_LD = at::layer_norm(x_LD, {x_LD.size(1)}, {}, {}, kFinalNormEps).mul_(scale);
  return nn::linear(y_LD, w_[kPixelWeight], w_[kPixelBias].data, item);
}

at::Tensor FinalLayer::train(const Call& call, torch::Leaves& leaves, const at::Tensor& x_BLD,
                             const at::Tensor& condition_B1C) {
  const auto& w = leaves.enter(call, unit_.unit());
  const at::Tensor scale_B1D =
      nn::trainable::linear(at::silu(condition_B1C), w[kScaleWeight], w[kScaleBias].data).add(1);
  const at::Tensor y_BLD =
      at::layer_norm(x_BLD, {x_BLD.size(2)}, {}, {}, kFinalNormEps).mul(scale_B1D);
  return nn::trainable::linear(y_BLD, w[kPixelWeight], w[kPixelBias].data);
}

}  // namespace gesso::z_image
