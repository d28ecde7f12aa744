// ZImage-i2L-v2: a picture of a style becomes a LoRA for Z-Image.
//
// The LoRA has rank 32 and is for all attentions and feed-forwards of the transformer; only the
// first picture is used. The work is done by plugins/common/image2lora (compressed_decoder.hpp);
// this plugin gives it its name and the variant its defaults. No parameters, no config.json: the
// weights tell all sizes.
//
// Example:
//   variant = "z-image-i2l-v2"
//   [components.image2lora]
//   path = "ZImage-i2L-v2/model.safetensors"
//   [components.siglip2_image_encoder]
//   path = "SigLIP2-G384/model.safetensors"
//   [components.dinov3_image_encoder]
//   path = "DINOv3-7B/model.safetensors"
//   [generate]
//   prompt = "a cat"
//   image2lora_images = ["style.jpg"]
//
// Source: DiffSynth-Studio, models/z_image_image2lora.py, class ZImageImage2LoRAModelCompressed.
#include "gesso/cpp/plugin.hpp"
#include "image2lora/compressed_decoder.hpp"
#include "image2lora/generator.hpp"

namespace gesso::z_image_i2l_v2 {
namespace {

class Generator
    : public image2lora::Generator<Generator, image2lora::CompressedDecoder, TrainingInterface> {
 public:
  static constexpr Info info{.id = "org.gesso.z_image_i2l_v2.generator",
                             .kind = "delta_generator",
                             .name = "Z-Image image-to-LoRA v2",
                             .version = "1.0.0",
                             .summary = "A LoRA of rank 32 for Z-Image out of one picture"};
};

}  // namespace
}  // namespace gesso::z_image_i2l_v2

GESSO_EXPORT_PLUGIN("org.gesso.z_image_i2l_v2", "1.0.0", "Gesso", "Apache-2.0",
                    gesso::z_image_i2l_v2::Generator)
