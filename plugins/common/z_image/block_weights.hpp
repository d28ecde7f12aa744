// Places of a block's weights in their unit.
#pragma once

#include <cstdint>

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

}  // namespace gesso::z_image
