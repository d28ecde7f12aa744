// What all denoisers of the family check and reckon before they run.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "gesso/cpp/module.hpp"
#include "z_image/embedders.hpp"

namespace gesso::z_image {

/// Shapes of the ports of one item, checked.
struct ItemShapes {
  std::span<const int64_t> latents, text;
};

/// @throws Error  InvalidArgument "denoise: <text>" unless `fits`
void expect(bool fits, const std::string& text);

/// Latents, texts and timesteps of the batch.
/// @throws Error  InvalidArgument when their counts or extents do not fit the model
std::vector<ItemShapes> check_shapes(const Inputs& inputs, const DitConfig& config);

/// @throws Error  InvalidArgument when "numerics" is something else than "precise" or "diffsynth"
Numerics read_numerics(const Values& values);

/// The value of "timestep" of each item.
std::vector<float> read_timesteps(const Inputs& inputs);

/// Gives the predictions away, in the order of the items.
void put_predictions(Outputs& outputs, const std::vector<at::Tensor>& velocities);

/// Multiplications and additions of one block over L tokens.
uint64_t block_flops(const DitConfig& config, int64_t length);

/// Bytes of a batch whose items have so many tokens once they are joined.
uint64_t peak_bytes(const DitConfig& config, std::span<const int64_t> lengths);

}  // namespace gesso::z_image
