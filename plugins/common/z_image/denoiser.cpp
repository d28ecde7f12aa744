#include "z_image/denoiser.hpp"

#include <c10/core/InferenceMode.h>

#include "z_image/denoise_inputs.hpp"

namespace gesso::z_image {

void denoise(Dit& dit, const Call& call, const Inputs& inputs, Outputs& outputs) {
  const c10::InferenceMode guard;
  check_shapes(inputs, dit.config());
  const auto latents = torch::list(inputs, GESSO_PORT_LATENTS);
  const auto text = torch::list(inputs, GESSO_PORT_TEXT);
  const std::vector<float> times = read_timesteps(inputs);
  std::vector<DitItem> items;
  for (size_t i = 0; i < latents.size(); ++i) items.push_back({latents[i], text[i], times[i]});
  put_predictions(outputs,
                  dit.velocity(call, items, read_numerics(inputs.values()), injectors_of(inputs)));
}

gesso_estimate_t estimate_denoise(const DitConfig& c, const Inputs& inputs) {
  gesso_estimate_t total{sizeof(gesso_estimate_t), 0, 0, 0};
  std::vector<int64_t> lengths;
  for (const ItemShapes& item : check_shapes(inputs, c)) {
    const auto sizes = sequence_sizes(item.latents[1], item.latents[2], item.text[0], c);
    const int64_t image = sizes.padded_image(), caption = sizes.padded_caption();
    total.flops += c.n_noise_refiners * block_flops(c, image) +
                   c.n_context_refiners * block_flops(c, caption) +
                   c.n_layers * block_flops(c, image + caption) +
                   2 * static_cast<uint64_t>(sizes.image() * 8 * c.latent_channels * c.dim +
                                             sizes.caption * c.text_dim * c.dim);
    lengths.push_back(image + caption);
  }
  total.peak_bytes = peak_bytes(c, lengths);
  return total;
}

}  // namespace gesso::z_image
