// A block's weights and their places in their unit.
#pragma once

#include <cstdint>

#include "nn/weight_unit.hpp"
#include "z_image/dit_config.hpp"

namespace gesso::z_image {

enum : uint32_t {
  kToQ,
  kToK,
  kToV,
  kToOut,
  kNormQ,
  kNormK,
  kW1,
  kW2,
  kW3,
  kAttentionNorm1,
  kAttentionNorm2,
  kFfnNorm1,
  kFfnNorm2,
  kModulation,
  kModulationBias
};

/// In this order. @param name  of the block, such as "layers.7"
std::vector<nn::WeightSpec> block_weights(const std::string& name, const DitConfig& config,
                                          bool modulated);

}  // namespace gesso::z_image
