// SigLIP2-G384 as an image encoder: what a picture shows, as one vector of 1536 numbers.
//
// A picture is squeezed to 384 x 384 pixels whatever its shape; the host or the caller crops it
// before. Sizes come from the weights; num_attention_heads (16) and layer_norm_eps (1e-6) from a
// config.json beside them, if there is one. No parameters.
//
// Example:
//   [components.siglip2_image_encoder]
//   path = "SigLIP2-G384/model.safetensors"
//
// Source: DiffSynth-Studio, models/siglip2_image_encoder.py; transformers, models/siglip.
#include "model.hpp"

namespace gesso::siglip2_g384 {
namespace {

class Encoder : public image_encoder::ImageEncoder<Encoder, Frame, Model> {
 public:
  static constexpr const char* kFeatureDims = "D";
  static constexpr Info info{.id = "org.gesso.siglip2_g384.image_encoder",
                             .kind = "image_encoder",
                             .name = "SigLIP2-G384",
                             .version = "1.0.0",
                             .summary = "One vector of what a picture shows, pooled by SigLIP 2"};
};

}  // namespace
}  // namespace gesso::siglip2_g384

GESSO_EXPORT_PLUGIN("org.gesso.siglip2_g384", "1.0.0", "Gesso", "Apache-2.0",
                    gesso::siglip2_g384::Encoder)
