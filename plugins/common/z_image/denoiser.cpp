#include "z_image/denoiser.hpp"

#include <c10/core/InferenceMode.h>

#include <algorithm>

namespace gesso::z_image {
namespace {

void expect(bool fits, const std::string& text) {
  if (!fits) throw Error(Status::InvalidArgument, "denoise: " + text);
}

Numerics read_numerics(const Values& values) {
  const std::string word = values.text("numerics", "precise");
  expect(word == "precise" || word == "diffsynth",
         "numerics: expected \"precise\" or \"diffsynth\", found \"" + word + "\"");
  return word == "precise" ? Numerics::Precise : Numerics::DiffSynth;
}

/// Shapes of the ports of one item, checked.
struct ItemShapes {
  std::span<const int64_t> latents, text;
};

std::vector<ItemShapes> check_shapes(const Inputs& inputs, const DitConfig& config) {
  const auto latents = inputs.list(GESSO_PORT_LATENTS), text = inputs.list(GESSO_PORT_TEXT);
  const auto times = shape_of(inputs.one(GESSO_PORT_TIMESTEP)->dl_tensor);
  expect(!latents.empty() && latents.size() == text.size() && times.size() == 1 &&
             times[0] == static_cast<int64_t>(latents.size()),
         "expected as many timesteps and texts as latents, found " +
             std::to_string(latents.size()) + " latents, " + std::to_string(text.size()) +
             " texts and timesteps of shape " + shape_text(times));
  std::vector<ItemShapes> items;
  for (size_t i = 0; i < latents.size(); ++i) {
    const ItemShapes s{shape_of(latents[i]->dl_tensor), shape_of(text[i]->dl_tensor)};
    expect(s.latents.size() == 3 && s.latents[0] == config.latent_channels,
           "latents " + std::to_string(i) + ": expected [" +
               std::to_string(config.latent_channels) + ", H, W], found " + shape_text(s.latents));
    expect(s.text.size() == 2 && s.text[1] == config.text_dim,
           "text " + std::to_string(i) + ": expected [tokens, " + std::to_string(config.text_dim) +
               "], found " + shape_text(s.text) + "; is this text encoder of another model?");
    items.push_back(s);
  }
  return items;
}

/// Multiplications and additions of one block over L tokens.
uint64_t block_flops(const DitConfig& c, int64_t L) {
  const int64_t projections = 4 * c.dim * c.dim + 3 * c.dim * c.ffn_dim;
  return static_cast<uint64_t>(2 * L * projections + 4 * L * L * c.dim);
}

}  // namespace

void denoise(Dit& dit, const Call& call, const Inputs& inputs, Outputs& outputs) {
  const c10::InferenceMode guard;
  check_shapes(inputs, dit.config());
  const auto latents = torch::list(inputs, GESSO_PORT_LATENTS);
  const auto text = torch::list(inputs, GESSO_PORT_TEXT);
  const at::Tensor times = torch::borrow(inputs.one(GESSO_PORT_TIMESTEP)).to(at::kFloat);
  std::vector<DitItem> items;
  for (size_t i = 0; i < latents.size(); ++i) {
    items.push_back({latents[i], text[i], times[static_cast<int64_t>(i)].item<float>()});
  }
  const auto velocity = dit.velocity(call, items, read_numerics(inputs.values()));
  for (size_t i = 0; i < velocity.size(); ++i) {
    outputs.put(GESSO_PORT_PREDICTION, static_cast<int32_t>(i),
                torch::give(velocity[i].contiguous()));
  }
}

gesso_estimate_t estimate_denoise(const DitConfig& c, const Inputs& inputs) {
  gesso_estimate_t total{sizeof(gesso_estimate_t), 0, 0, 0};
  uint64_t kept = 0, widest = 0;
  for (const ItemShapes& item : check_shapes(inputs, c)) {
    const auto sizes = sequence_sizes(item.latents[1], item.latents[2], item.text[0], c);
    const int64_t image = sizes.padded_image(), caption = sizes.padded_caption();
    const int64_t joined = image + caption;
    total.flops += c.n_noise_refiners * block_flops(c, image) +
                   c.n_context_refiners * block_flops(c, caption) +
                   c.n_layers * block_flops(c, joined) +
                   2 * static_cast<uint64_t>(sizes.image() * 8 * c.latent_channels * c.dim +
                                             sizes.caption * c.text_dim * c.dim);
    // Hidden state (twice while it is joined) and rotary table of every item; in one item's
    // feed-forward: its input, both gates, their result, and what a widened product adds: input,
    // weight and result in float32.
    const auto tokens = static_cast<uint64_t>(joined);
    kept += tokens * (2 * 4 * c.dim + 3 * 4 * c.head_dim);
    widest = std::max(widest, tokens * 4 * (3 * c.dim + 3 * c.ffn_dim) + 4 * c.dim * c.ffn_dim);
  }
  total.peak_bytes = kept + widest;
  return total;
}

}  // namespace gesso::z_image
