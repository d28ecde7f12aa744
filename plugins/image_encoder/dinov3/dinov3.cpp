// DINOv3 (ViT-7B) as an image encoder: how a picture looks, as one vector of 4096 numbers.
//
// A picture is squeezed to 224 x 224 pixels whatever its shape; the host or the caller crops it
// before. Sizes come from the weights; image_size (224), num_attention_heads (32), layer_norm_eps
// (1e-5) and rope_theta (100) from a config.json beside them, if there is one. The model has 12.5
// GiB in bf16: its layers are asked for one by one, each once for all pictures of a call.
//
// | Parameter     | Type | Values          | Default | Meaning |
// |---------------|------|-----------------|---------|----------------------------------------------|
// | rope_inv_freq | text | auto, f32, bf16 | auto    | bf16: rotary frequencies rounded, as | | |
// |                 |         | DiffSynth's loader does; auto: bf16 when it  | |               | |
// |         | computes in bf16 with numerics = "diffsynth" |
//
// Example:
//   [components.dinov3_image_encoder]
//   path = "DINOv3-7B/model.safetensors"
//
// Source: DiffSynth-Studio, models/dinov3_image_encoder.py; transformers, models/dinov3_vit.
#include "model.hpp"

namespace gesso::dinov3 {
namespace {

class Encoder : public image_encoder::ImageEncoder<Encoder, Frame, Model> {
 public:
  static constexpr const char* kFeatureDims = "D";
  static constexpr Info info{
      .id = "org.gesso.dinov3.image_encoder",
      .kind = "image_encoder",
      .name = "DINOv3",
      .version = "1.0.0",
      .summary = "One vector of how a picture looks: the class token of DINOv3"};
};

}  // namespace
}  // namespace gesso::dinov3

GESSO_EXPORT_PLUGIN("org.gesso.dinov3", "1.0.0", "Gesso", "Apache-2.0", gesso::dinov3::Encoder)
