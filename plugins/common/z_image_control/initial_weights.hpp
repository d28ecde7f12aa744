// What a ControlNet is before it was ever trained.
#pragma once

#include "gesso/cpp/initial_weights.hpp"

namespace gesso::z_image_control {

/// The blocks are copies of every other block of the transformer, and of its refiners; what leads
/// into a stack and out of it is 0, so that nothing is added at first. The embedder of the control
/// pictures is random.
/// @throws Error  NotFound naming what the transformer lacks
std::vector<InitialWeight> initial_weights(const Weights& transformer);

}  // namespace gesso::z_image_control
