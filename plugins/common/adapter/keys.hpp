// The names of tensors in LoRA files. Every dialect is <prefix><module><part>:
//
//   layers.0.attention.to_q.lora_A.default.weight              DiffSynth-Studio, PEFT
//   transformer.layers.0.attention.to_q.lora_B.weight          diffusers
//   diffusion_model.layers.0.attention.qkv.lora_up.weight      ComfyUI, ai-toolkit
//   lora_unet_layers_0_attention_to_q.alpha                    kohya, musubi
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gesso::adapter {

/// Which part of an update a tensor is; the same for all spellings.
inline constexpr const char* kDown = "down";    // A [rank, in]
inline constexpr const char* kUp = "up";        // B [out, rank]
inline constexpr const char* kAlpha = "alpha";  // a number: the update is times alpha / rank
inline constexpr const char* kMagnitude = "magnitude";  // DoRA: norms of the new weight
inline constexpr const char* kDiff = "diff";            // the whole update [out, in]
// LyCORIS keeps its own names: hada_w1_a, ..., lokr_w1, lokr_w2_a, ...

struct Key {
  std::string module;  // with the file's prefix
  std::string part;
};

/// Nothing when the name ends like no part of an update.
std::optional<Key> split_key(std::string_view name);

}  // namespace gesso::adapter
