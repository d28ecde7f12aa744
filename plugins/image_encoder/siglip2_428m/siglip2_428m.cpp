// SigLIP2-428M (NaFlex) as an image encoder: what a picture shows, as a map [rows, columns, 1152].
//
// The picture keeps about its shape: it is resized to 16-pixel patches, 256 of them at most. Sizes
// come from the weights; patch_size (16), max_num_patches (256), num_attention_heads (16) and
// layer_norm_eps (1e-6) from a config.json beside them, if there is one. No parameters.
//
// Example:
//   [components.image_encoder]
//   path = "siglip/model.safetensors"
//
// Source: DiffSynth-Studio, models/siglip2_image_encoder.py; transformers, models/siglip2.
#include "model.hpp"

namespace gesso::siglip2_428m {
namespace {

class Encoder : public image_encoder::ImageEncoder<Encoder, Frame, Model> {
 public:
  static constexpr const char* kFeatureDims = "rows columns D";
  static constexpr Info info{
      .id = "org.gesso.siglip2_428m.image_encoder",
      .kind = "image_encoder",
      .name = "SigLIP2-428M",
      .version = "1.0.0",
      .summary = "A map of what a picture shows, in its own shape (SigLIP 2 NaFlex)"};

  static const std::vector<Op<Encoder>>& ops() {
    static const Port values{image_encoder::kPixelValues, "N P", kPerItem, "f32"};
    static const Port shapes{kSpatialShapes, "2", kPerItem, "i64"};
    static const Port mask{kMask, "N", kPerItem, "i32"};
    static const std::vector<Op<Encoder>> list = ops_over({values, mask, shapes}, {values, shapes});
    return list;
  }
};

}  // namespace
}  // namespace gesso::siglip2_428m

GESSO_EXPORT_PLUGIN("org.gesso.siglip2_428m", "1.0.0", "Gesso", "Apache-2.0",
                    gesso::siglip2_428m::Encoder)
