#include "z_image/embedders.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/silu.h>

#include <cmath>

#include "nn/linear.hpp"
#include "nn/norm.hpp"
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

PatchEmbedder::PatchEmbedder(const Weights& weights, const DitConfig& c)
    : unit_(weights, "all_x_embedder",
            {{"all_x_embedder.2-1.weight", {c.dim, 4 * c.latent_channels}},
             {"all_x_embedder.2-1.bias", {c.dim}},
             {"x_pad_token", {1, c.dim}, GESSO_WEIGHT_BUFFER}}) {}

at::Tensor PatchEmbedder::Scope::forward(const at::Tensor& latents_CHW, int64_t item) const {
  const at::Tensor patches = patchify(latents_CHW.to(w_[kPatchWeight].data.scalar_type()));
  const at::Tensor x_LD = nn::linear(patches, w_[kPatchWeight], w_[kPatchBias].data, item);
  return pad_with(x_LD, w_[kPatchPad].data, padded(x_LD.size(0)));
}

FeatureEmbedder::FeatureEmbedder(const Weights& weights, const std::string& name,
                                 const std::string& pad_token, int64_t features, const DitConfig& c)
    : unit_(weights, name,
            {{name + ".0.weight", {features}},
             {name + ".1.weight", {c.dim, features}},
             {name + ".1.bias", {c.dim}},
             {pad_token, {1, c.dim}, GESSO_WEIGHT_BUFFER}}),
      eps_(c.norm_eps) {}

at::Tensor FeatureEmbedder::Scope::forward(const at::Tensor& x_LF, int64_t item) const {
  const at::Tensor typed_LF = x_LF.to(w_[kFeatureWeight].data.scalar_type());
  const at::Tensor normed_LF = nn::rms_norm(typed_LF, w_[kNorm].data, owner_.eps_);
  const at::Tensor x_LD = nn::linear(normed_LF, w_[kFeatureWeight], w_[kFeatureBias].data, item);
  return pad_with(x_LD, w_[kFeaturePad].data, padded(x_LD.size(0)));
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

}  // namespace gesso::z_image
