// A picture from latents by one matrix: rough, but free.
#pragma once

#include <vector>

#include "gesso/cpp/plugin.hpp"
#include "vae.hpp"

namespace gesso::flux_vae {

struct LatentRgb {
  std::vector<float> weight, bias;  ///< [channels, 3] row by row, and [3]; empty: there is none
};

/// Of the config (`latent_rgb.weight`, `latent_rgb.bias`) where it has them; else, for 16 channels
/// with the scaling of FLUX.1, the factors that are known for it.
/// @throws Error  BadData when the config has another count of numbers
LatentRgb read_latent_rgb(const Values& values, const Config& config);

}  // namespace gesso::flux_vae
