// L: tokens, D: width, C: channels of a latent or width of the embedded timestep, T: text features.
#include "z_image/dit.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/silu.h>

#include <cmath>

#include "nn/linear.hpp"
#include "nn/norm.hpp"

namespace gesso::z_image {
namespace {

enum TimeEmbedder : uint32_t { kIn, kInBias, kOut, kOutBias };
enum ImageEmbedder : uint32_t { kPatchWeight, kPatchBias, kImagePad };
enum CaptionEmbedder : uint32_t { kNorm, kTextWeight, kTextBias, kCaptionPad };
enum FinalLayer : uint32_t { kScaleWeight, kScaleBias, kPixelWeight, kPixelBias };

constexpr double kFinalNormEps = 1e-6;
constexpr double kMaxPeriod = 10000;

std::vector<Block> blocks(const Setup& setup, const std::string& name, const DitConfig& config,
                          int64_t count, bool modulated) {
  std::vector<Block> made;
  for (int64_t i = 0; i < count; ++i) {
    made.emplace_back(setup.weights, name + "." + std::to_string(i), config, modulated);
  }
  return made;
}

/// What the network is told: 0 for pure noise, towards 1000 for a clean picture. The reference
/// keeps it in the type that it computes in.
float network_time(float t, Numerics numerics, at::ScalarType type, double t_scale) {
  if (numerics == Numerics::DiffSynth && type == at::kBFloat16) {
    const auto rounded = [](float v) { return static_cast<float>(c10::BFloat16(v)); };
    return rounded(1000.0f - rounded(t)) * static_cast<float>(t_scale / 1000);
  }
  return (1000.0f - t) * static_cast<float>(t_scale / 1000);
}

/// [1, dim] in float32: cosines, then sines.
at::Tensor sinusoid(float tau, int64_t dim) {
  const int64_t half = dim / 2;
  const at::Tensor frequency =
      at::arange(half, at::kFloat).mul(-std::log(kMaxPeriod)).div(static_cast<double>(half)).exp();
  const at::Tensor angle = frequency.mul(tau);
  return at::cat({angle.cos(), angle.sin()}).unsqueeze(0);
}

}  // namespace

/// One item on its way through the network.
struct Dit::State {
  const DitItem& input;
  int64_t item;
  SequenceSizes sizes;
  nn::Rotary image_rotary, caption_rotary;
  nn::Rotary rotary{};  // both, joined
  at::Tensor condition_1C{}, x_LD{}, caption_LD{}, velocity_CHW{};
};

Dit::Dit(const Setup& setup)
    : config_(read_config(setup)),
      time_embedder_(setup.weights, "t_embedder",
                     {{"t_embedder.mlp.0.weight", {-1, config_.frequency_dim}},
                      {"t_embedder.mlp.0.bias", {-1}},
                      {"t_embedder.mlp.2.weight", {config_.condition_dim, -1}},
                      {"t_embedder.mlp.2.bias", {config_.condition_dim}}}),
      image_embedder_(setup.weights, "all_x_embedder",
                      {{"all_x_embedder.2-1.weight", {config_.dim, 4 * config_.latent_channels}},
                       {"all_x_embedder.2-1.bias", {config_.dim}},
                       {"x_pad_token", {1, config_.dim}, GESSO_WEIGHT_BUFFER}}),
      caption_embedder_(setup.weights, "cap_embedder",
                        {{"cap_embedder.0.weight", {config_.text_dim}},
                         {"cap_embedder.1.weight", {config_.dim, config_.text_dim}},
                         {"cap_embedder.1.bias", {config_.dim}},
                         {"cap_pad_token", {1, config_.dim}, GESSO_WEIGHT_BUFFER}}),
      final_layer_(
          setup.weights, "all_final_layer",
          {{"all_final_layer.2-1.adaLN_modulation.1.weight", {config_.dim, config_.condition_dim}},
           {"all_final_layer.2-1.adaLN_modulation.1.bias", {config_.dim}},
           {"all_final_layer.2-1.linear.weight", {4 * config_.latent_channels, config_.dim}},
           {"all_final_layer.2-1.linear.bias", {4 * config_.latent_channels}}}),
      noise_refiner_(blocks(setup, "noise_refiner", config_, config_.n_noise_refiners, true)),
      context_refiner_(
          blocks(setup, "context_refiner", config_, config_.n_context_refiners, false)),
      layers_(blocks(setup, "layers", config_, config_.n_layers, true)) {}

std::vector<at::Tensor> Dit::velocity(const Call& call, const std::vector<DitItem>& items,
                                      Numerics numerics) {
  std::vector<State> batch;
  for (const DitItem& item : items) {
    const auto& latents = item.latents_CHW;
    const auto sizes =
        sequence_sizes(latents.size(1), latents.size(2), item.text_LT.size(0), config_);
    batch.push_back({item, static_cast<int64_t>(batch.size()), sizes, image_rotary(sizes, config_),
                     caption_rotary(sizes, config_)});
  }

  embed_timesteps(call, batch, numerics);
  embed_images(call, batch);
  for (Block& block : noise_refiner_) {
    const auto scope = block.enter(call);
    for (State& s : batch) scope.forward(s.x_LD, s.image_rotary, s.condition_1C, s.item);
  }
  embed_captions(call, batch);
  for (Block& block : context_refiner_) {
    const auto scope = block.enter(call);
    for (State& s : batch) scope.forward(s.caption_LD, s.caption_rotary, {}, s.item);
  }
  join(batch);
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (i + 1 < layers_.size()) layers_[i + 1].prefetch();
    const auto scope = layers_[i].enter(call);
    for (State& s : batch) scope.forward(s.x_LD, s.rotary, s.condition_1C, s.item);
  }
  finish(call, batch);

  std::vector<at::Tensor> velocities;
  for (State& s : batch) velocities.push_back(s.velocity_CHW);
  return velocities;
}

void Dit::embed_timesteps(const Call& call, std::vector<State>& batch, Numerics numerics) {
  const auto w = time_embedder_.enter(call);
  for (State& s : batch) {
    const at::ScalarType type = w[kIn].data.scalar_type();
    const float tau = network_time(s.input.timestep, numerics, type, config_.t_scale);
    const at::Tensor wave = sinusoid(tau, config_.frequency_dim).to(type);
    const at::Tensor inner = at::silu(nn::linear(wave, w[kIn], w[kInBias].data, s.item));
    s.condition_1C = nn::linear(inner, w[kOut], w[kOutBias].data, s.item);
  }
}

void Dit::embed_images(const Call& call, std::vector<State>& batch) {
  const auto w = image_embedder_.enter(call);
  for (State& s : batch) {
    const at::Tensor patches = patchify(s.input.latents_CHW.to(w[kPatchWeight].data.scalar_type()));
    const at::Tensor x_LD = nn::linear(patches, w[kPatchWeight], w[kPatchBias].data, s.item);
    s.x_LD = pad_with(x_LD, w[kImagePad].data, s.sizes.padded_image());
  }
}

void Dit::embed_captions(const Call& call, std::vector<State>& batch) {
  const auto w = caption_embedder_.enter(call);
  for (State& s : batch) {
    const at::Tensor text_LT = s.input.text_LT.to(w[kTextWeight].data.scalar_type());
    const at::Tensor normed = nn::rms_norm(text_LT, w[kNorm].data, config_.norm_eps);
    const at::Tensor caption = nn::linear(normed, w[kTextWeight], w[kTextBias].data, s.item);
    s.caption_LD = pad_with(caption, w[kCaptionPad].data, s.sizes.padded_caption());
  }
}

void Dit::join(std::vector<State>& batch) const {
  for (State& s : batch) {
    s.x_LD = at::cat({s.x_LD, s.caption_LD});
    s.rotary = {at::cat({s.image_rotary.cos, s.caption_rotary.cos}),
                at::cat({s.image_rotary.sin, s.caption_rotary.sin})};
  }
}

void Dit::finish(const Call& call, std::vector<State>& batch) {
  const auto w = final_layer_.enter(call);
  for (State& s : batch) {
    const at::Tensor x_LD = s.x_LD.narrow(0, 0, s.sizes.image());  // no padding, no caption
    const at::Tensor scale =
        nn::linear(at::silu(s.condition_1C), w[kScaleWeight], w[kScaleBias].data, s.item).add(1);
    const at::Tensor y_LD = at::layer_norm(x_LD, {config_.dim}, {}, {}, kFinalNormEps).mul_(scale);
    const at::Tensor patches = nn::linear(y_LD, w[kPixelWeight], w[kPixelBias].data, s.item);
    s.velocity_CHW = unpatchify(patches, s.sizes).neg();
  }
}

}  // namespace gesso::z_image
