#include "z_image/denoise_inputs.hpp"

#include <algorithm>

#include "gesso/cpp/torch.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"

namespace gesso::z_image {

void expect(bool fits, const std::string& text) {
  if (!fits) throw Error(Status::InvalidArgument, "denoise: " + text);
}

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
    const bool not_known = s.text.size() == 2 && s.text[1] == -1;  // of an estimate
    expect(s.text.size() == 2 && (s.text[1] == config.text_dim || not_known),
           "text " + std::to_string(i) + ": expected [tokens, " + std::to_string(config.text_dim) +
               "], found " + shape_text(s.text) + "; is this text encoder of another model?");
    items.push_back(s);
  }
  return items;
}

Numerics read_numerics(const Values& values) {
  const std::string word = values.text("numerics", "precise");
  expect(word == "precise" || word == "diffsynth",
         "numerics: expected \"precise\" or \"diffsynth\", found \"" + word + "\"");
  return word == "precise" ? Numerics::Precise : Numerics::DiffSynth;
}

std::vector<float> read_timesteps(const Inputs& inputs) {
  const at::Tensor times =
      torch::borrow(inputs.one(GESSO_PORT_TIMESTEP)).to(at::kFloat).contiguous();
  const float* first = times.const_data_ptr<float>();
  return {first, first + times.numel()};
}

void put_predictions(Outputs& outputs, const std::vector<at::Tensor>& velocities) {
  for (size_t i = 0; i < velocities.size(); ++i) {
    outputs.put(GESSO_PORT_PREDICTION, static_cast<int32_t>(i),
                torch::give(velocities[i].contiguous()));
  }
}

uint64_t block_flops(const DitConfig& c, int64_t length) {
  const int64_t projections = 4 * c.dim * c.dim + 3 * c.dim * c.ffn_dim;
  return static_cast<uint64_t>(2 * length * projections + 4 * length * length * c.dim);
}

uint64_t peak_bytes(const DitConfig& c, std::span<const int64_t> lengths) {
  // Hidden state (twice while it is joined) and rotary table of every item; in one item's
  // feed-forward: its input, both gates, their result, and what a widened product adds: input,
  // weight and result in float32.
  int64_t kept = 0, longest = 0;
  for (const int64_t length : lengths) {
    kept += length * (2 * 4 * c.dim + 3 * 4 * c.head_dim);
    longest = std::max(longest, length);
  }
  const int64_t widest = longest * 4 * (3 * c.dim + 3 * c.ffn_dim) + 4 * c.dim * c.ffn_dim;
  return static_cast<uint64_t>(kept + widest);
}

}  // namespace gesso::z_image
