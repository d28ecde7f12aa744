// Files of other families, by the names that their tensors have: each is refused by a sentence that
// says what it is.
#include "engine/weights/recognise.hpp"

#include "engine/weights/safetensors_writer.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

struct LookAlike {
  const char* family;  ///< as it is told
  std::vector<std::string> names;
};

const std::vector<LookAlike> kLookAlikes = {
    // Denoisers.
    {"a FLUX transformer",
     {"double_blocks.0.img_attn.qkv.weight", "single_blocks.0.linear1.weight"}},
    {"a FLUX transformer",
     {"model.diffusion_model.double_blocks.0.img_attn.qkv.weight",
      "model.diffusion_model.single_blocks.0.linear1.weight"}},
    {"a FLUX transformer",
     {"single_transformer_blocks.0.attn.to_q.weight", "context_embedder.weight",
      "transformer_blocks.0.attn.to_q.weight"}},
    {"a FLUX.2 transformer",
     {"double_stream_modulation_img.lin.weight", "double_blocks.0.img_attn.qkv.weight"}},
    {"a Chroma transformer",
     {"distilled_guidance_layer.in_proj.weight", "double_blocks.0.img_attn.qkv.weight",
      "single_blocks.0.linear1.weight"}},
    {"a Lumina-Image 2.0 transformer",
     {"layers.0.attention.qkv.weight", "context_refiner.0.attention.qkv.weight",
      "x_embedder.weight", "cap_embedder.0.weight", "noise_refiner.0.attention.qkv.weight"}},
    {"a Lumina-Image 2.0 transformer",
     {"layers.0.attn.to_q.weight", "context_refiner.0.attn.to_q.weight", "x_embedder.weight"}},
    {"an OmniGen2 transformer",
     {"ref_image_refiner.0.attn.to_q.weight", "layers.0.attn.to_q.weight"}},
    {"a Qwen-Image transformer", {"transformer_blocks.0.img_mod.1.weight", "txt_norm.weight"}},
    {"a Stable Diffusion 3 transformer",
     {"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight",
      "model.diffusion_model.x_embedder.proj.weight"}},
    {"a Stable Diffusion XL checkpoint",
     {"conditioner.embedders.1.model.ln_final.weight",
      "model.diffusion_model.input_blocks.0.0.weight"}},
    {"a Stable Diffusion 1 or 2 checkpoint",
     {"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
      "model.diffusion_model.input_blocks.0.0.weight"}},
    {"a Stable Diffusion U-Net",
     {"input_blocks.0.0.weight", "output_blocks.0.0.in_layers.0.weight"}},
    {"a Stable Diffusion U-Net",
     {"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"}},
    {"a HunyuanVideo transformer",
     {"double_blocks.0.img_attn_qkv.weight",
      "txt_in.individual_token_refiner.blocks.0.norm1.weight"}},
    {"a HunyuanVideo transformer",
     {"context_embedder.token_refiner.refiner_blocks.0.norm1.weight"}},
    {"a Hunyuan-DiT transformer", {"blocks.0.attn1.Wqkv.weight", "pooler.q_proj.weight"}},
    {"a Wan video transformer", {"blocks.0.cross_attn.norm_k.weight", "patch_embedding.weight"}},
    {"an LTX-Video transformer",
     {"patchify_proj.weight", "transformer_blocks.0.attn1.to_q.weight"}},
    {"a CogVideoX transformer",
     {"patch_embed.text_proj.weight", "transformer_blocks.0.attn1.to_q.weight"}},
    {"a Mochi transformer", {"blocks.0.attn.qkv_x.weight", "t5_yproj.weight"}},
    {"a Cosmos transformer",
     {"net.blocks.0.self_attn.q_proj.weight", "net.x_embedder.proj.1.weight"}},
    {"a PixArt transformer", {"y_embedder.y_embedding", "blocks.0.attn.qkv.weight"}},
    {"a PixArt transformer", {"caption_projection.linear_1.weight", "adaln_single.linear.weight"}},
    {"a Sana transformer", {"blocks.0.mlp.inverted_conv.conv.weight", "blocks.0.attn.qkv.weight"}},
    {"an AuraFlow transformer",
     {"double_layers.0.attn.w1q.weight", "single_layers.0.attn.w1q.weight"}},
    {"a HiDream transformer",
     {"double_stream_blocks.0.block.attn1.to_q.weight",
      "single_stream_blocks.0.block.attn1.to_q.weight"}},
    {"a Kandinsky 5 transformer", {"visual_transformer_blocks.0.self_attention.to_query.weight"}},
    {"a Stable Cascade model", {"effnet_mapper.0.weight", "down_blocks.0.0.channelwise.0.weight"}},
    // ControlNets and other companions.
    {"a ControlNet for Stable Diffusion", {"control_model.input_blocks.0.0.weight"}},
    {"a ControlNet for Stable Diffusion", {"controlnet_down_blocks.0.weight", "conv_in.weight"}},
    {"a ControlNet for a diffusion transformer",
     {"controlnet_blocks.0.weight", "x_embedder.weight"}},
    {"an IP-Adapter", {"ip_adapter.1.to_k_ip.weight", "image_proj.proj.weight"}},
    {"a T2I-Adapter", {"adapter.body.0.block1.weight", "adapter.conv_in.weight"}},
    {"a motion module of AnimateDiff",
     {"down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight"}},
    {"a textual inversion", {"emb_params"}},
    // Encoders.
    {"a T5 text encoder", {"encoder.block.0.layer.0.SelfAttention.q.weight", "shared.weight"}},
    {"a CLIP text encoder", {"text_model.encoder.layers.0.self_attn.q_proj.weight"}},
    {"a CLIP model of OpenCLIP",
     {"transformer.resblocks.0.attn.in_proj_weight", "ln_final.weight"}},
    {"a BERT text encoder", {"encoder.layer.0.attention.self.query.weight"}},
    {"a language model in Hugging Face naming",
     {"model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"}},
    {"a language model in llama.cpp naming", {"token_embd.weight", "blk.0.attn_q.weight"}},
    {"a Qwen2.5-VL model",
     {"visual.blocks.0.attn.qkv.weight", "model.layers.0.self_attn.q_proj.weight"}},
    {"a Gemma language model",
     {"model.layers.0.pre_feedforward_layernorm.weight", "model.embed_tokens.weight"}},
    {"a DINOv2 image encoder",
     {"encoder.layer.0.layer_scale1.lambda1", "encoder.layer.0.norm1.weight"}},
    {"a Whisper speech model", {"model.encoder.conv1.weight", "model.decoder.layers.0.fc1.weight"}},
    // Autoencoders and other pictures' tools.
    {"a VAE of four latent channels (Stable Diffusion)",
     {"post_quant_conv.weight", "quant_conv.weight", "decoder.conv_in.weight",
      "encoder.conv_in.weight"}},
    {"a VAE of a Wan video model",
     {"encoder.downsamples.0.residual.0.gamma", "decoder.upsamples.0.residual.0.gamma"}},
    {"an upscaler (ESRGAN)", {"model.1.sub.0.RDB1.conv1.0.weight"}},
    {"a Segment Anything model",
     {"image_encoder.blocks.0.attn.qkv.weight", "mask_decoder.iou_token.weight"}},
    {"a Depth Anything model",
     {"depth_head.projects.0.weight", "pretrained.blocks.0.attn.qkv.weight"}},
    // LoRAs.
    {"a LoRA for FLUX", {"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight"}},
    {"a LoRA for FLUX", {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"}},
    {"a LoRA for FLUX", {"lora_unet_single_blocks_0_linear1.lora_down.weight"}},
    {"a LoRA for Qwen-Image", {"transformer_blocks.0.img_mlp.net.0.proj.lora_A.weight"}},
    {"a LoRA for Stable Diffusion XL",
     {"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight"}},
    {"a LoRA for Stable Diffusion",
     {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"}},
    {"a LoRA for Stable Diffusion", {"lora_unet_input_blocks_1_1_proj_in.lora_down.weight"}},
    {"a LoRA for Stable Diffusion 3",
     {"diffusion_model.joint_blocks.0.x_block.attn.qkv.lora_A.weight"}},
    {"a LoRA for a Wan video model", {"diffusion_model.blocks.0.cross_attn.k.lora_A.weight"}},
    {"a LoRA for HunyuanVideo", {"diffusion_model.double_blocks.0.img_attn_qkv.lora_A.weight"}},
    {"a LoRA for LTX-Video", {"diffusion_model.transformer_blocks.0.attn1.to_k.lora_A.weight"}},
    // Storage.
    {"a model quantised by Nunchaku (SVDQuant)", {"transformer_blocks.0.qkv_proj.smooth_factor"}},
    {"a model quantised by GPTQ or AWQ",
     {"model.layers.0.q_proj.qweight", "model.layers.0.q_proj.qzeros"}},
};

}  // namespace

TEST_CASE("fifty look-alikes are refused by a sentence that names their family") {
  CHECK(kLookAlikes.size() >= 50);
  const std::vector<ComponentPattern> patterns = {
      z_image_pattern(),
      qwen3_pattern(),
      flux_vae_pattern(),
      load_component_pattern("control", kSource / "plugins/common/z_image_control/weights.toml"),
      load_component_pattern("omni", kSource / "plugins/variant/z_image_omni_base/weights.toml"),
      load_component_pattern("dinov3", kSource / "plugins/image_encoder/dinov3/weights.toml"),
      load_component_pattern("g384", kSource / "plugins/image_encoder/siglip2_g384/weights.toml"),
      load_component_pattern("428m", kSource / "plugins/image_encoder/siglip2_428m/weights.toml")};
  const TemporaryFolder folder;
  static const std::byte kByte{1};
  for (const LookAlike& file : kLookAlikes) {
    CAPTURE(file.names[0]);
    std::vector<NamedTensor> tensors;
    for (const auto& name : file.names) {
      tensors.push_back({name, {DType::U8, {1}, {&kByte, 1}, nullptr}});
    }
    write_safetensors(folder.path / "file.safetensors", tensors);
    const auto set = WeightSet::open(folder.path / "file.safetensors");
    const auto matches = recognise(set, patterns);
    for (const Match& match : matches) CHECK(!match.exact());
    CHECK(foreign_family(set) == file.family);
    CHECK(contains(explain(set, matches), std::string("is ") + file.family));
  }
}
