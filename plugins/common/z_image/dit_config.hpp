// Sizes and numbers of a Z-Image transformer, read from its weights and its config.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gesso/cpp/plugin.hpp"

namespace gesso::z_image {

struct DitConfig {
  // From the shapes of the weights.
  int64_t dim, heads, head_dim, ffn_dim;
  int64_t latent_channels, text_dim;
  int64_t frequency_dim, condition_dim;  // sinusoid of the timestep; what modulates the blocks
  int64_t n_layers, n_noise_refiners, n_context_refiners;
  // From config.json, under its names; the numbers of the published models when absent.
  std::vector<int64_t> axes_dims, axes_lens;  // rotary axes: frame (and caption), row, column
  double rope_theta, norm_eps, t_scale;
};

/// @throws Error  NotFound naming the missing weight; Incompatible when `axes_dims` do not add up
DitConfig read_config(const Setup& setup);

/// How many units `name.0`, `name.1`, ... the file has.
int64_t count_blocks(const Weights& weights, const std::string& name);

}  // namespace gesso::z_image
