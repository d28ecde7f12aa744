// Well-known weight files by the names of their tensors, so that a message can say what a file is.
// Only data: nothing in the host depends on it. The first row whose names are all present wins, so
// special cases stand above general ones. A name behind '!' must be absent.
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
    {"a LoRA for HunyuanVideo", {"*double_blocks.*.img_attn_qkv.*lora*", nullptr}},
    {"a LoRA for FLUX", {"*single_transformer_blocks.*lora*", nullptr}},
    {"a LoRA for FLUX", {"*double_blocks*lora*", nullptr}},
    {"a LoRA for Qwen-Image", {"*transformer_blocks*img_m*lora*", nullptr}},
    {"a LoRA for Stable Diffusion 3", {"*joint_blocks*lora*", nullptr}},
    {"a LoRA for Stable Diffusion XL", {"lora_te2_*lora*", nullptr}},
    {"a LoRA for Stable Diffusion", {"lora_unet_*down_blocks_*lora*", nullptr}},
    {"a LoRA for Stable Diffusion", {"unet.down_blocks.*lora*", nullptr}},
    {"a LoRA for Stable Diffusion", {"lora_unet_*input_blocks_*lora*", nullptr}},
    {"a LoRA for a Wan video model", {"*blocks.*cross_attn*lora*", nullptr}},
    {"a LoRA for a Wan video model", {"lora_unet_blocks_*_cross_attn_*lora*", nullptr}},
    {"a LoRA for FLUX", {"*single_blocks*lora*", nullptr}},
    {"a LoRA for Qwen-Image", {"*transformer_blocks*img_mlp*lora*", nullptr}},
    {"a LoRA for LTX-Video", {"*transformer_blocks*attn1*lora*", nullptr}},
    {"a LoRA for a CLIP text encoder", {"lora_te*text_model*lora*", nullptr}},
    {"a LoRA for a language model", {"*model.layers.*self_attn.q_proj.lora*", nullptr}},
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
    {"a model quantised by Nunchaku (SVDQuant)", {"*.smooth_factor*", nullptr}},
    {"a model quantised by GPTQ or AWQ", {"*.qweight", "*.qzeros"}},
    // Adapters of pictures.
    {"an IP-Adapter", {"*to_k_ip.weight", nullptr}},
    {"a T2I-Adapter", {"*body.*.block1.weight", "*conv_in.weight"}},
    {"a motion module of AnimateDiff", {"*motion_modules.*", nullptr}},
    // ControlNets.
    {"a ControlNet for Z-Image", {"control_layers.*", "control_all_x_embedder.*"}},
    {"a ControlNet for Stable Diffusion", {"control_model.input_blocks.*", nullptr}},
    {"a ControlNet for Stable Diffusion", {"controlnet_down_blocks.*", nullptr}},
    {"a ControlNet for a diffusion transformer", {"controlnet_blocks.*", nullptr}},
    // Denoisers.
    {"a Z-Image Omni transformer", {"*siglip_embedder.*", "*siglip_refiner.*"}},
    {"a FLUX.2 transformer", {"*double_stream_modulation_img.*", nullptr}},
    {"a Chroma transformer", {"*distilled_guidance_layer.*", nullptr}},
    {"a HunyuanVideo transformer", {"*individual_token_refiner.*", nullptr}},
    {"a HunyuanVideo transformer", {"context_embedder.token_refiner.*", nullptr}},
    {"a FLUX transformer", {"*double_blocks.*.img_attn.*", "*single_blocks.*"}},
    {"a Lumina-Image 2.0 transformer",
     {"*context_refiner.*.attention.qkv.weight", "!*x_pad_token"}},
    {"a Lumina-Image 2.0 transformer", {"*context_refiner.*.attn.to_q.weight", "!*x_pad_token"}},
    {"an OmniGen2 transformer", {"*ref_image_refiner.*", nullptr}},
    {"a HiDream transformer", {"*double_stream_blocks.*", "*single_stream_blocks.*"}},
    {"a PixArt transformer", {"*y_embedder.y_embedding", nullptr}},
    {"a PixArt transformer", {"caption_projection.linear_1.weight", "adaln_single.*"}},
    {"a Sana transformer", {"*inverted_conv.*", nullptr}},
    {"a Sana transformer", {"*conv_inverted.*", nullptr}},
    {"an AuraFlow transformer", {"*double_layers.*.attn.w1q.weight", nullptr}},
    {"an AuraFlow transformer", {"joint_transformer_blocks.*.attn.to_q.weight", nullptr}},
    {"an LTX-Video transformer", {"*patchify_proj.weight", nullptr}},
    {"a CogVideoX transformer", {"*patch_embed.text_proj.weight", nullptr}},
    {"a Mochi transformer", {"*blocks.*.attn.qkv_x.weight", nullptr}},
    {"a Cosmos transformer", {"net.blocks.*", "net.x_embedder.*"}},
    {"a Hunyuan-DiT transformer", {"*attn1.Wqkv.weight", nullptr}},
    {"a Kandinsky 5 transformer", {"*visual_transformer_blocks.*", nullptr}},
    {"a Stable Cascade model", {"*effnet_mapper.*", nullptr}},
    {"a Stable Cascade model", {"*clip_txt_mapper.*", nullptr}},
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
    {"a Whisper speech model", {"model.encoder.conv1.weight", "model.decoder.layers.*"}},
    {"a CLIP model of OpenCLIP", {"*transformer.resblocks.*.attn.in_proj_weight", nullptr}},
    {"a BERT text encoder", {"*encoder.layer.*.attention.self.query.weight", nullptr}},
    {"a DINOv2 image encoder", {"*layer_scale1.lambda1", "!*embeddings.register_tokens"}},
    {"a Qwen2.5-VL model", {"*visual.blocks.*.attn.qkv.weight", "*model.layers.*"}},
    {"a Gemma language model", {"*pre_feedforward_layernorm.weight", nullptr}},
    {"a Segment Anything model", {"image_encoder.*", "mask_decoder.*"}},
    {"a Depth Anything model", {"*depth_head.*", nullptr}},
    {"an upscaler (ESRGAN)", {"*.RDB1.conv1.*weight", nullptr}},
    {"an upscaler (ESRGAN)", {"body.*.rdb1.conv1.weight", nullptr}},
    {"a T5 text encoder", {"*encoder.block.*.layer.*.SelfAttention.q.weight", nullptr}},
    {"a CLIP text encoder", {"*text_model.encoder.layers.*", nullptr}},
    {"a DINOv3 image encoder", {"*embeddings.register_tokens", "*layer.*.attention.q_proj.weight"}},
    {"a SigLIP image encoder", {"*embeddings.patch_embedding.weight", "*encoder.layers.*"}},
    {"a language model in llama.cpp naming", {"token_embd.weight", "blk.*.attn_q.weight"}},
    {"a language model in Hugging Face naming",
     {"*model.embed_tokens.weight", "*model.layers.*.self_attn.q_proj.weight"}},
    // Autoencoders.
    {"a VAE of a Wan video model", {"encoder.downsamples.*", "decoder.upsamples.*"}},
    {"a VAE of four latent channels (Stable Diffusion)", {"*post_quant_conv.weight", "*decoder.*"}},
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
        std::all_of(family.patterns.begin(), family.patterns.end(), [&](const char* pattern) {
          if (!pattern) return true;
          return *pattern == '!' ? !has_name_like(set, pattern + 1) : has_name_like(set, pattern);
        });
    if (all) return family.name;
  }
  return "";
}

}  // namespace gesso::weights
