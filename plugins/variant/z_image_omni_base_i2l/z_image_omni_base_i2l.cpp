// Z-Image-Omni-Base-i2L: pictures of a style become a LoRA for Z-Image-Omni-Base.
//
// Each picture makes a LoRA of rank 4 for all attentions and feed-forwards of the transformer;
// those of several pictures are averaged. The work is done by plugins/common/image2lora
// (pair_decoder.hpp); this plugin gives it its name and the variant its defaults. No parameters;
// `rank` (4) from a config.json beside the weights, if there is one.
//
// Example:
//   variant = "z-image-omni-base-i2l"
//   [components.image2lora]
//   path = "Z-Image-Omni-Base-i2L/model.safetensors"
//   [components.siglip2_image_encoder]
//   path = "SigLIP2-G384/model.safetensors"
//   [components.dinov3_image_encoder]
//   path = "DINOv3-7B/model.safetensors"
//   [generate]
//   prompt = "a cat"
//   image2lora_images = ["style_1.jpg", "style_2.jpg"]
//
// Source: DiffSynth-Studio, models/z_image_image2lora.py and pipelines/z_image.py.
#include "gesso/cpp/plugin.hpp"
#include "image2lora/generator.hpp"
#include "image2lora/pair_decoder.hpp"

namespace gesso::z_image_omni_base_i2l {
namespace {

class Generator : public image2lora::Generator<Generator, image2lora::PairDecoder> {
 public:
  static constexpr Info info{
      .id = "org.gesso.z_image_omni_base_i2l.generator",
      .kind = "delta_generator",
      .name = "Z-Image-Omni-Base image-to-LoRA",
      .version = "1.0.0",
      .summary = "A LoRA of rank 4 for Z-Image-Omni-Base out of each picture"};
};

}  // namespace
}  // namespace gesso::z_image_omni_base_i2l

GESSO_EXPORT_PLUGIN("org.gesso.z_image_omni_base_i2l", "1.0.0", "Gesso", "Apache-2.0",
                    gesso::z_image_omni_base_i2l::Generator)
