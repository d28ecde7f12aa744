// Z-Image (Base): text to picture in some fifty steps, with classifier-free guidance.
//
// The transformer and the prompt template are those of the whole family (plugins/common/z_image);
// this plugin gives them their names, and z_image.variant.toml the defaults.
//
// Denoiser, operation "denoise":
//
// | Parameter | Type | Values             | Default | Meaning                               |
// |-----------|------|--------------------|---------|---------------------------------------|
// | numerics  | text | precise, diffsynth | precise | diffsynth: the timestep is rounded to |
// |           |      |                    |         | bf16, as the reference does           |
//
// Composer, operation "compose":
//
// | Parameter  | Type  | Range | Default | Meaning                                        |
// |------------|-------|-------|---------|------------------------------------------------|
// | prompt     | texts |       |         | one per picture                                |
// | max_length | int   | >= 1  | 512     | tokens, template included; the rest is cut off |
//
// Example:
//   model = "z-image"
//   [generate]
//   prompt = "a red apple"
//   negative_prompt = "blurry"
//
// Source: DiffSynth-Studio, models/z_image_dit.py and pipelines/z_image.py.
#include "gesso/cpp/plugin.hpp"
#include "z_image/composer.hpp"
#include "z_image/denoiser.hpp"

namespace gesso::z_image_base {
namespace {

class Denoiser : public z_image::Denoiser<Denoiser> {
 public:
  static constexpr Info info{.id = "org.gesso.z_image.denoiser",
                             .kind = "denoiser",
                             .name = "Z-Image transformer",
                             .version = "1.0.0",
                             .summary = "Velocity of the picture at a noise level, for a caption"};
};

class Composer : public z_image::Composer<Composer> {
 public:
  static constexpr Info info{.id = "org.gesso.z_image.composer",
                             .kind = "composer",
                             .name = "Z-Image prompts",
                             .version = "1.0.0",
                             .summary = "Chat template, tokenizer and text encoder"};
};

}  // namespace
}  // namespace gesso::z_image_base

GESSO_EXPORT_PLUGIN("org.gesso.z_image", "1.0.0", "Gesso", "Apache-2.0",
                    gesso::z_image_base::Denoiser, gesso::z_image_base::Composer)
