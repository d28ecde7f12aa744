// The noise levels of flow matching with a static shift, and the weights of its training loss.
#pragma once

#include <cstdint>
#include <vector>

namespace gesso::flow_match {

/// sigma = shift * u / (1 + (shift - 1) * u) over u = strength ... 0 in `n_steps` equal steps, the
/// last end left out. Float32 with the order of operations of the reference, bit for bit.
/// @param strength  in (0, 1]; compresses the grid, the number of steps stays
std::vector<float> sigmas(uint32_t n_steps, double strength, double shift);

/// What the denoiser is told: 1000 * sigma.
float timestep(float sigma);

/// Weight of the training loss at each level: a bell around t = 500 whose lowest value is taken
/// away, with mean 1 over a grid of 1000.
std::vector<double> training_weights(const std::vector<float>& sigmas);

}  // namespace gesso::flow_match
