// Well-known weight files by the names of their tensors, so that a message can say what a file is.
// Only data: nothing in the host depends on it. The first row whose names are all present wins, so
// special cases stand above general ones.
#include "engine/weights/recognise.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>

namespace gesso::weights {
namespace {

struct Family {
  const char* name;
  std::array<const char*, 2> patterns;  ///< shell patterns; null: not used
};

constexpr Family kFamilies[] = {
    // Adapters for other models.
    {"a LoRA for FLUX", {"*single_transformer_blocks.*lora*", nullptr}},
    {"a LoRA for FLUX", {"*double_blocks*lora*", nullptr}},
    {"a LoRA for Qwen-Image", {"*transformer_blocks*img_m*lora*", nullptr}},
    {"a LoRA for Stable Diffusion 3", {"*joint_blocks*lora*", nullptr}},
    {"a LoRA for Stable Diffusion XL", {"lora_te2_*lora*", nullptr}},
    {"a LoRA for Stable Diffusion", {"lora_unet_*down_blocks_*lora*", nullptr}},
    {"a LoRA for Stable Diffusion", {"unet.down_blocks.*lora*", nullptr}},
    {"a LoRA for a Wan video model", {"*blocks.*cross_attn*lora*", nullptr}},
    // Adapters.
    {"a LoKr adapter (LyCORIS)", {"*.lokr_w*", nullptr}},
    {"a LoHa adapter (LyCORIS)", {"*.hada_w*", nullptr}},
    {"a DoRA adapter", {"*.dora_scale", nullptr}},
    {"a LoRA in PEFT naming", {"*.lora_A*.weight", nullptr}},
    {"a LoRA in kohya naming", {"lora_unet_*.lora_down.weight", nullptr}},
    {"a LoRA in kohya naming", {"lora_te*.lora_down.weight", nullptr}},
    {"a LoRA with down and up matrices", {"*.lora_down.weight", nullptr}},
    {"a LoRA with down and up matrices", {"*.lora.down.weight", nullptr}},
    {"an adapter of full differences", {"*.diff", nullptr}},
    {"an image-to-LoRA model (Z-Image i2L v2)", {"module_dict.*.lora_a", nullptr}},
    {"an image-to-LoRA model (Z-Image i2L v1)", {"*_lora.blocks.*.proj_a.proj_in.weight", nullptr}},
    {"a textual inversion", {"emb_params", nullptr}},
    // Quantised storage that needs more than a conversion.
    {"a model quantised by bitsandbytes", {"*.quant_state.bitsandbytes__*", nullptr}},
    {"a model quantised by ComfyUI", {"*.comfy_quant", nullptr}},
    {"a model in scaled fp8", {"*.scale_weight", nullptr}},
    // ControlNets.
    {"a ControlNet for Z-Image", {"control_layers.*", "control_all_x_embedder.*"}},
    {"a ControlNet for Stable Diffusion", {"control_model.input_blocks.*", nullptr}},
    {"a ControlNet for Stable Diffusion", {"controlnet_down_blocks.*", nullptr}},
    {"a ControlNet for a diffusion transformer", {"controlnet_blocks.*", nullptr}},
    // Denoisers.
    {"a Z-Image Omni transformer", {"*siglip_embedder.*", "*siglip_refiner.*"}},
    {"a FLUX.2 transformer", {"*double_stream_modulation_img.*", nullptr}},
    {"a FLUX transformer", {"*double_blocks.*.img_attn.*", "*single_blocks.*"}},
    {"a FLUX transformer", {"*single_transformer_blocks.*", "*context_embedder.weight"}},
    {"a Qwen-Image transformer", {"*transformer_blocks.*.img_mod.1.weight", nullptr}},
    {"a Stable Diffusion 3 transformer", {"*joint_blocks.*", nullptr}},
    {"a Stable Diffusion XL checkpoint", {"conditioner.embedders.1.*", nullptr}},
    {"a Stable Diffusion 1 or 2 checkpoint",
     {"model.diffusion_model.input_blocks.*", "cond_stage_model.*"}},
    {"a Stable Diffusion U-Net", {"*input_blocks.*", "*output_blocks.*"}},
    {"a Stable Diffusion U-Net", {"down_blocks.*.attentions.*.transformer_blocks.*", nullptr}},
    {"a Wan video transformer", {"*blocks.*.cross_attn.norm_k.weight", "*patch_embedding.weight"}},
    // Encoders.
    {"a T5 text encoder", {"*encoder.block.*.layer.*.SelfAttention.q.weight", nullptr}},
    {"a CLIP text encoder", {"*text_model.encoder.layers.*", nullptr}},
    {"a DINOv3 image encoder", {"*embeddings.register_tokens", "*layer.*.attention.q_proj.weight"}},
    {"a SigLIP image encoder", {"*embeddings.patch_embedding.weight", "*encoder.layers.*"}},
    {"a language model in llama.cpp naming", {"token_embd.weight", "blk.*.attn_q.weight"}},
    {"a language model in Hugging Face naming",
     {"*model.embed_tokens.weight", "*model.layers.*.self_attn.q_proj.weight"}},
    // Autoencoders.
    {"a VAE in diffusers naming", {"encoder.down_blocks.*", "decoder.up_blocks.*"}},
    {"a VAE in latent-diffusion naming", {"*encoder.down.*", "*decoder.up.*"}},
};

bool has_name_like(const WeightSet& set, const char* pattern) {
  return std::any_of(set.tensors().begin(), set.tensors().end(), [&](const TensorInfo& tensor) {
    return ::fnmatch(pattern, tensor.name.c_str(), 0) == 0;
  });
}

}  // namespace

std::string foreign_family(const WeightSet& set) {
  for (const Family& family : kFamilies) {
    const bool all =
        std::all_of(family.patterns.begin(), family.patterns.end(),
                    [&](const char* pattern) { return !pattern || has_name_like(set, pattern); });
    if (all) return family.name;
  }
  return "";
}

}  // namespace gesso::weights
