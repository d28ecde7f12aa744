// L: tokens, D: width, C: channels of a latent or width of the embedded timestep, T: text features,
// F: image features.
#include "omni_dit.hpp"

#include <ATen/ops/cat.h>

#include "z_image/sequence.hpp"

namespace gesso::z_image_omni_base {
namespace {

constexpr float kCleanTime = 1.0f;  // the network's time runs from 0 (noise) to 1, times t_scale

OmniConfig read_omni_config(const Setup& setup) {
  OmniConfig config{z_image::read_config(setup), 0, 0};
  config.feature_dim = setup.weights.describe("siglip_embedder.1.weight").shape.at(1);
  config.n_feature_refiners = z_image::count_blocks(setup.weights, "siglip_refiner");
  return config;
}

}  // namespace

OmniLayout layout_of(const OmniItem& item, const ConditionImages& images) {
  OmniLayout layout{item.segments, {}, {}};
  for (const at::Tensor& l : images.latents_CHW) layout.pictures.push_back({l.size(1), l.size(2)});
  layout.pictures.push_back({item.latents_CHW.size(1), item.latents_CHW.size(2)});
  for (const at::Tensor& f : images.features_HWF) layout.features.push_back({f.size(0), f.size(1)});
  check_layout(layout);
  return layout;
}

at::Tensor flatten_map(const at::Tensor& map_HWF) {
  return map_HWF.permute({2, 0, 1}).contiguous().view({-1, map_HWF.size(2)});
}

nn::Rotary joined(const std::vector<nn::Rotary>& parts) {
  std::vector<at::Tensor> cos, sin;
  for (const nn::Rotary& part : parts) {
    cos.push_back(part.cos);
    sin.push_back(part.sin);
  }
  return {at::cat(cos), at::cat(sin)};
}

float noisy_tau(float timestep, const OmniConfig& config, z_image::Numerics numerics,
                at::ScalarType type) {
  const auto rounded = [&](float v) { return z_image::rounded_time(v, numerics, type); };
  const float time = rounded(rounded(1000.0f - rounded(timestep)) / 1000.0f);
  return rounded(time * static_cast<float>(config.t_scale));
}

float clean_tau(const OmniConfig& config, z_image::Numerics numerics, at::ScalarType type) {
  return z_image::rounded_time(kCleanTime * static_cast<float>(config.t_scale), numerics, type);
}

/// One item on its way through the network.
struct OmniDit::State {
  const OmniItem& input;
  int64_t item;
  OmniLayout layout;
  nn::Rotary text_rotary, picture_rotary;
  nn::Rotary feature_rotary{}, rotary{};  // the latter of all tokens
  std::vector<at::Tensor> conditions_1C{};
  at::Tensor text_LD{}, x_LD{}, features_LD{};
};

OmniDit::OmniDit(const Setup& setup)
    : config_(read_omni_config(setup)),
      time_embedder_(setup.weights, config_),
      picture_embedder_(setup.weights, config_),
      text_embedder_(setup.weights, "cap_embedder", "cap_pad_token", config_.text_dim, config_),
      feature_embedder_(setup.weights, "siglip_embedder", "siglip_pad_token", config_.feature_dim,
                        config_),
      final_layer_(setup.weights, config_),
      noise_refiner_(z_image::make_blocks(setup.weights, "noise_refiner", config_,
                                          config_.n_noise_refiners, true)),
      context_refiner_(z_image::make_blocks(setup.weights, "context_refiner", config_,
                                            config_.n_context_refiners, false)),
      siglip_refiner_(z_image::make_blocks(setup.weights, "siglip_refiner", config_,
                                           config_.n_feature_refiners, false)),
      layers_(z_image::make_blocks(setup.weights, "layers", config_, config_.n_layers, true)) {}

std::vector<at::Tensor> OmniDit::velocity(const Call& call, const std::vector<OmniItem>& items,
                                          const ConditionImages& images,
                                          z_image::Numerics numerics) {
  std::vector<State> batch;
  for (const OmniItem& item : items) {
    const OmniLayout layout = layout_of(item, images);
    batch.push_back({item, static_cast<int64_t>(batch.size()), layout, text_rotary(layout, config_),
                     picture_rotary(layout, config_)});
  }

  embed_timesteps(call, batch, numerics);
  refine_pictures(call, batch, images);
  refine_text(call, batch);
  if (!images.features_HWF.empty()) refine_features(call, batch, images);
  join(batch);
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (i + 1 < layers_.size()) layers_[i + 1].prefetch();
    const auto scope = layers_[i].enter(call);
    for (State& s : batch) {
      scope.forward(s.x_LD, s.rotary, {s.conditions_1C, s.layout.joined_runs()}, s.item);
    }
  }
  return finish(call, batch);
}

void OmniDit::embed_timesteps(const Call& call, std::vector<State>& batch,
                              z_image::Numerics numerics) {
  const auto scope = time_embedder_.enter(call);
  for (State& s : batch) {
    const float tau = noisy_tau(s.input.timestep, config_, numerics, scope.type());
    s.conditions_1C.push_back(scope.forward(tau, s.item));
    if (s.layout.n_conditions() == 0) continue;
    s.conditions_1C.push_back(scope.forward(clean_tau(config_, numerics, scope.type()), s.item));
  }
}

void OmniDit::refine_pictures(const Call& call, std::vector<State>& batch,
                              const ConditionImages& images) {
  {
    const auto scope = picture_embedder_.enter(call);
    for (State& s : batch) {
      std::vector<at::Tensor> pieces;
      for (const at::Tensor& l : images.latents_CHW) pieces.push_back(scope.forward(l, s.item));
      pieces.push_back(scope.forward(s.input.latents_CHW, s.item));
      s.x_LD = at::cat(pieces);
    }
  }
  for (z_image::Block& block : noise_refiner_) {
    const auto scope = block.enter(call);
    for (State& s : batch) {
      scope.forward(s.x_LD, s.picture_rotary, {s.conditions_1C, s.layout.picture_runs()}, s.item);
    }
  }
}

void OmniDit::refine_text(const Call& call, std::vector<State>& batch) {
  {
    const auto scope = text_embedder_.enter(call);
    for (State& s : batch) {
      std::vector<at::Tensor> pieces;
      for (const at::Tensor& segment_LT : s.input.text_LT.split_with_sizes(s.layout.segments)) {
        pieces.push_back(scope.forward(segment_LT, s.item));
      }
      s.text_LD = at::cat(pieces);
    }
  }
  for (z_image::Block& block : context_refiner_) {
    const auto scope = block.enter(call);
    for (State& s : batch) scope.forward(s.text_LD, s.text_rotary, {}, s.item);
  }
}

void OmniDit::refine_features(const Call& call, std::vector<State>& batch,
                              const ConditionImages& images) {
  {
    const auto scope = feature_embedder_.enter(call);
    for (State& s : batch) {
      std::vector<at::Tensor> pieces;
      for (const at::Tensor& map_HWF : images.features_HWF) {
        pieces.push_back(scope.forward(flatten_map(map_HWF), s.item));
      }
      s.features_LD = at::cat(pieces);
      s.feature_rotary = feature_rotary(s.layout, config_);
    }
  }
  for (z_image::Block& block : siglip_refiner_) {
    const auto scope = block.enter(call);
    for (State& s : batch) scope.forward(s.features_LD, s.feature_rotary, {}, s.item);
  }
}

void OmniDit::join(std::vector<State>& batch) const {
  for (State& s : batch) {
    std::vector<at::Tensor> pieces{s.text_LD, s.x_LD};
    std::vector<nn::Rotary> tables{s.text_rotary, s.picture_rotary};
    if (s.features_LD.defined()) {
      pieces.push_back(s.features_LD);
      tables.push_back(s.feature_rotary);
    }
    s.x_LD = at::cat(pieces);
    s.rotary = joined(tables);
  }
}

std::vector<at::Tensor> OmniDit::finish(const Call& call, std::vector<State>& batch) {
  const auto scope = final_layer_.enter(call);
  std::vector<at::Tensor> velocities;
  for (State& s : batch) {
    const int64_t begin = s.layout.text_tokens() + s.layout.target_begin();
    const at::Tensor target_LD = s.x_LD.narrow(0, begin, s.layout.target_tokens());
    const at::Tensor patches = scope.forward(target_LD, s.conditions_1C[kNoisy], s.item);
    const Grid& size = s.layout.pictures.back();
    velocities.push_back(
        z_image::unpatchify(patches, size.rows / z_image::kPatch, size.columns / z_image::kPatch)
            .neg());
  }
  return velocities;
}

}  // namespace gesso::z_image_omni_base
