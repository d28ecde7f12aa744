#include "z_image/dit_config.hpp"

#include <numeric>

namespace gesso::z_image {
namespace {

std::vector<int64_t> integers_or(const Values& values, const char* key,
                                 std::vector<int64_t> preset) {
  return values.has(key) ? values.integers(key) : preset;
}

}  // namespace

int64_t count_blocks(const Weights& weights, const std::string& name) {
  int64_t n = 0;
  while (weights.find(name + "." + std::to_string(n) + ".attention.to_q.weight")) ++n;
  return n;
}

DitConfig read_config(const Setup& setup) {
  const auto extent = [&](const char* name, size_t axis) {
    return setup.weights.describe(name).shape.at(axis);
  };
  DitConfig c{};
  c.dim = extent("all_x_embedder.2-1.weight", 0);
  c.latent_channels = extent("all_x_embedder.2-1.weight", 1) / 4;
  c.text_dim = extent("cap_embedder.1.weight", 1);
  c.head_dim = extent("layers.0.attention.norm_q.weight", 0);
  c.heads = c.dim / c.head_dim;
  c.ffn_dim = extent("layers.0.feed_forward.w1.weight", 0);
  c.frequency_dim = extent("t_embedder.mlp.0.weight", 1);
  c.condition_dim = extent("t_embedder.mlp.2.weight", 0);
  c.n_layers = count_blocks(setup.weights, "layers");
  c.n_noise_refiners = count_blocks(setup.weights, "noise_refiner");
  c.n_context_refiners = count_blocks(setup.weights, "context_refiner");

  const int64_t hd = c.head_dim;
  c.axes_dims = integers_or(setup.values, "config.axes_dims", {hd / 4, 3 * hd / 8, 3 * hd / 8});
  c.axes_lens = integers_or(setup.values, "config.axes_lens", {1024, 512, 512});
  c.rope_theta = setup.values.real("config.rope_theta", 256.0);
  c.norm_eps = setup.values.real("config.norm_eps", 1e-5);
  c.t_scale = setup.values.real("config.t_scale", 1000.0);

  const int64_t sum = std::accumulate(c.axes_dims.begin(), c.axes_dims.end(), int64_t{0});
  if (c.axes_dims.size() != 3 || c.axes_lens.size() != 3 || sum != hd) {
    throw Error(Status::Incompatible,
                "config axes_dims: expected three extents that add up to the head's " +
                    std::to_string(hd) + " numbers, found " + shape_text(c.axes_dims) +
                    " with axes_lens " + shape_text(c.axes_lens) +
                    "; is this config.json of another model?");
  }
  return c;
}

}  // namespace gesso::z_image
