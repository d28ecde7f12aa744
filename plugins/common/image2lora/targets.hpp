// The Linear layers of the Z-Image transformer that image-to-LoRA makes updates for.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gesso::image2lora {

/// A row of blocks of the transformer.
inline constexpr std::array<const char*, 3> kGroups{"layers", "context_refiner", "noise_refiner"};

/// The layers of a block, in the order of the reference: attention, then feed-forward.
inline constexpr std::array<const char*, 7> kLayers{
    "attention.to_q",  "attention.to_k",  "attention.to_v", "attention.to_out.0",
    "feed_forward.w1", "feed_forward.w2", "feed_forward.w3"};
inline constexpr size_t kAttentionLayers = 4;

struct Target {
  std::string group;  // "layers"
  int64_t block;
  size_t layer;  // place in kLayers

  /// "layers.0.attention.to_q"
  std::string name() const;
};

/// Group by group, block by block. `count`: how many blocks of a group the weights are for.
/// @throws Error  NotFound when there are none at all
std::vector<Target> list_targets(const std::function<int64_t(const std::string& group)>& count);

}  // namespace gesso::image2lora
