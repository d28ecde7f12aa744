#include "z_image_control/initial_weights.hpp"

#include <cmath>

#include "z_image/block_weights.hpp"
#include "z_image/dit_config.hpp"
#include "z_image/sequence.hpp"

namespace gesso::z_image_control {
namespace {

using List = std::vector<InitialWeight>;

void add_zeros(List& list, const std::string& name, int64_t dim) {
  list.push_back({name + ".weight", "", {dim, dim}});
  list.push_back({name + ".bias", "", {dim}});
}

/// Block `to` of a stack, as a copy of the transformer's block `from`.
void add_block(List& list, const std::string& to, const std::string& from,
               const z_image::DitConfig& config, bool is_first) {
  const auto names = z_image::block_weights(to, config, /*modulated=*/true);
  const auto sources = z_image::block_weights(from, config, /*modulated=*/true);
  for (size_t i = 0; i < names.size(); ++i) list.push_back({names[i].name, sources[i].name});
  if (is_first) add_zeros(list, to + ".before_proj", config.dim);
  add_zeros(list, to + ".after_proj", config.dim);
}

}  // namespace

List initial_weights(const Weights& transformer) {
  const auto config = z_image::read_config({Values(nullptr, 0), transformer, Call(nullptr)});
  // A map, a mask, and a picture to paint in.
  const int64_t channels = 2 * config.latent_channels + 1;
  const int64_t patch = channels * z_image::kPatch * z_image::kPatch;
  const std::string embedder = "control_all_x_embedder.2-1";
  List list{
      {embedder + ".weight", "", {config.dim, patch}, 1 / std::sqrt(static_cast<double>(patch))},
      {embedder + ".bias", "", {config.dim}}};
  for (int64_t i = 0; i < config.n_noise_refiners; ++i) {
    const std::string place = "noise_refiner." + std::to_string(i);
    add_block(list, "control_" + place, place, config, i == 0);
  }
  for (int64_t i = 0; 2 * i < config.n_layers; ++i) {
    add_block(list, "control_layers." + std::to_string(i), "layers." + std::to_string(2 * i),
              config, i == 0);
  }
  return list;
}

}  // namespace gesso::z_image_control
