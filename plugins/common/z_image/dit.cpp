// L: tokens, D: width, C: channels of a latent or width of the embedded timestep, T: text features.
#include "z_image/dit.hpp"

#include <ATen/ops/cat.h>

namespace gesso::z_image {
namespace {

/// Announces the block behind block `i`: of the same stack, else the first of the stack after it.
void prefetch_after(size_t i, const std::vector<Block>& stack,
                    const std::vector<Block>& then = {}) {
  if (i + 1 < stack.size()) return stack[i + 1].prefetch();
  if (!then.empty()) then.front().prefetch();
}

}  // namespace

/// One item on its way through the network.
struct Dit::State {
  const DitItem& input;
  int64_t item;
  SequenceSizes sizes;
  nn::Rotary image_rotary, caption_rotary;
  nn::Rotary rotary{};  // both, joined
  at::Tensor condition_1C{}, x_LD{}, caption_LD{};
};

Dit::Dit(const Setup& setup)
    : config_(read_config(setup)),
      points_(config_),
      time_embedder_(setup.weights, config_),
      image_embedder_(setup.weights, config_),
      caption_embedder_(setup.weights, "cap_embedder", "cap_pad_token", config_.text_dim, config_),
      final_layer_(setup.weights, config_),
      noise_refiner_(
          make_blocks(setup.weights, "noise_refiner", config_, config_.n_noise_refiners, true)),
      context_refiner_(make_blocks(setup.weights, "context_refiner", config_,
                                   config_.n_context_refiners, false)),
      layers_(make_blocks(setup.weights, "layers", config_, config_.n_layers, true)) {}

std::vector<at::Tensor> Dit::velocity(const Call& call, const std::vector<DitItem>& items,
                                      Numerics numerics, const Injectors& injectors) {
  std::vector<State> batch;
  for (const DitItem& item : items) {
    const auto& latents = item.latents_CHW;
    const auto sizes =
        sequence_sizes(latents.size(1), latents.size(2), item.text_LT.size(0), config_);
    batch.push_back({item, static_cast<int64_t>(batch.size()), sizes, image_rotary(sizes, config_),
                     caption_rotary(sizes, config_)});
  }
  std::vector<at::Tensor*> hidden;
  for (State& s : batch) hidden.push_back(&s.x_LD);

  embed_timesteps(call, batch, numerics);
  {
    const auto scope = image_embedder_.enter(call);
    for (State& s : batch) s.x_LD = scope.forward(s.input.latents_CHW, s.item);
  }
  show_embedded(call, injectors, batch);
  for (size_t i = 0; i < noise_refiner_.size(); ++i) {
    prefetch_after(i, noise_refiner_, context_refiner_);
    {
      const auto scope = noise_refiner_[i].enter(call);
      for (State& s : batch) scope.forward(s.x_LD, s.image_rotary, s.condition_1C, s.item);
    }
    add_residuals(injectors, call, points_.noise_refiner(i), hidden);
  }
  {
    const auto scope = caption_embedder_.enter(call);
    for (State& s : batch) s.caption_LD = scope.forward(s.input.text_LT, s.item);
  }
  for (size_t i = 0; i < context_refiner_.size(); ++i) {
    prefetch_after(i, context_refiner_, layers_);
    const auto scope = context_refiner_[i].enter(call);
    for (State& s : batch) scope.forward(s.caption_LD, s.caption_rotary, {}, s.item);
  }
  join(batch);
  show_joined(call, injectors, batch);
  for (size_t i = 0; i < layers_.size(); ++i) {
    prefetch_after(i, layers_);
    {
      const auto scope = layers_[i].enter(call);
      for (State& s : batch) scope.forward(s.x_LD, s.rotary, s.condition_1C, s.item);
    }
    add_residuals(injectors, call, points_.layer(i), hidden);
  }
  return finish(call, batch);
}

void Dit::embed_timesteps(const Call& call, std::vector<State>& batch, Numerics numerics) {
  const auto scope = time_embedder_.enter(call);
  for (State& s : batch) {
    const auto rounded = [&](float v) { return rounded_time(v, numerics, scope.type()); };
    const float tau = rounded(1000.0f - rounded(s.input.timestep));
    s.condition_1C = scope.forward(tau * static_cast<float>(config_.t_scale / 1000), s.item);
  }
}

void Dit::join(std::vector<State>& batch) const {
  for (State& s : batch) {
    s.x_LD = at::cat({s.x_LD, s.caption_LD});
    s.rotary = {at::cat({s.image_rotary.cos, s.caption_rotary.cos}),
                at::cat({s.image_rotary.sin, s.caption_rotary.sin})};
  }
}

void Dit::show_embedded(const Call& call, const Injectors& injectors,
                        const std::vector<State>& batch) const {
  if (!injectors.wants(points_.embed())) return;
  TapList taps;
  for (const State& s : batch) {
    taps.lend(s.x_LD, s.condition_1C, s.image_rotary,
              {s.sizes.rows, s.sizes.columns, s.sizes.image()});
  }
  show_taps(injectors, call, points_.embed(), taps);
}

void Dit::show_joined(const Call& call, const Injectors& injectors,
                      const std::vector<State>& batch) const {
  if (!injectors.wants(points_.unified())) return;
  TapList taps;
  for (const State& s : batch) {
    taps.lend(s.x_LD, s.condition_1C, s.rotary, {s.sizes.padded_image()});
  }
  show_taps(injectors, call, points_.unified(), taps);
}

std::vector<at::Tensor> Dit::finish(const Call& call, std::vector<State>& batch) {
  const auto scope = final_layer_.enter(call);
  std::vector<at::Tensor> velocities;
  for (State& s : batch) {
    const at::Tensor image_LD = s.x_LD.narrow(0, 0, s.sizes.image());  // no padding, no caption
    const at::Tensor patches = scope.forward(image_LD, s.condition_1C, s.item);
    velocities.push_back(unpatchify(patches, s.sizes.rows, s.sizes.columns).neg());
  }
  return velocities;
}

}  // namespace gesso::z_image
