// Z-Image-Omni-Base: text to picture, and pictures changed by words ("edit images").
//
// The transformer (omni_dit.hpp) reads the prompt in segments between which the edit images stand,
// their latents and their SigLIP2 features. Without edit images it paints from the text alone.
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
// | Parameter  | Type  | Range | Default | Meaning                                          |
// |------------|-------|-------|---------|--------------------------------------------------|
// | prompt     | texts |       |         | one per picture                                  |
// | n_images   | int   | >= 0  | 0       | edit images that the prompt speaks of            |
// | max_length | int   | >= 1  | 512     | tokens of a segment; the rest is cut off         |
//
// Example:
//   model = "z-image-omni-base"
//   [generate]
//   prompt = "Change the colour of the dress to white"
//   edit_image = "portrait.png"
//
// Source: DiffSynth-Studio, models/z_image_dit.py and pipelines/z_image.py.
#include <optional>

#include "denoise.hpp"
#include "gesso/cpp/plugin.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "z_image/composer.hpp"

namespace gesso::z_image_omni_base {
namespace {

class Denoiser : public Component<Denoiser, ModuleInterface, TrainingInterface> {
 public:
  static constexpr Info info{
      .id = "org.gesso.z_image_omni_base.denoiser",
      .kind = "denoiser",
      .name = "Z-Image-Omni-Base transformer",
      .version = "1.0.0",
      .summary = "Velocity of the picture at a noise level, for a text and condition images"};

  static const std::vector<Op<Denoiser>>& ops() {
    static const std::vector<Op<Denoiser>> list{
        {.name = GESSO_OP_DENOISE,
         .inputs = {{GESSO_PORT_LATENTS, "C H W", kPerItem, "f32|bf16"},
                    {GESSO_PORT_TIMESTEP, "B", 0, "f32"},
                    {GESSO_PORT_TEXT, "L D", kPerItem, "f32|bf16"},
                    {GESSO_PORT_TEXT_SEGMENTS, "S", kPerItem | kOptional, "i64"},
                    {GESSO_PORT_IMAGE_LATENTS, "C h w", kList | kOptional, "f32|bf16"},
                    {GESSO_PORT_IMAGE_FEATURES, "h w F", kList | kOptional, "f32|bf16"}},
         .outputs = {{GESSO_PORT_PREDICTION, "C H W", kPerItem, "f32|bf16"}},
         .run = &Denoiser::run,
         .estimate = &Denoiser::estimate}};
    return list;
  }
  static const std::vector<TrainedOp<Denoiser>>& trained_ops() {
    static const std::vector<TrainedOp<Denoiser>> list{{GESSO_OP_DENOISE, &Denoiser::train}};
    return list;
  }
  void prepare(const Setup& setup) {
    if (!setup.weights) {
      throw Error(Status::InvalidArgument, "the denoiser was given no weights file");
    }
    dit_.emplace(setup);
  }
  void run(const Call& call, const Inputs& inputs, Outputs& outputs) {
    denoise(*dit_, call, inputs, outputs);
  }
  std::unique_ptr<Tape> train(const Call& call, const Inputs& inputs, Outputs& outputs,
                              const TrainRequest& request) {
    return train_denoise(*dit_, call, inputs, outputs, request);
  }
  gesso_estimate_t estimate(const Inputs& inputs) {
    return estimate_denoise(dit_->config(), inputs);
  }

 private:
  std::optional<OmniDit> dit_;
};

/// What stands before, between and behind the places of the images.
std::vector<std::string> omni_segments(const std::string& prompt, int64_t n_images) {
  if (n_images == 0) return {z_image::chat_text(prompt)};
  std::vector<std::string> segments{"<|im_start|>user\n<|vision_start|>"};
  for (int64_t i = 1; i < n_images; ++i) segments.push_back("<|vision_end|><|vision_start|>");
  segments.push_back("<|vision_end|>" + prompt +
                     "<|im_end|>\n<|im_start|>assistant\n<|vision_start|>");
  segments.push_back("<|vision_end|><|im_end|>");
  return segments;
}

class Composer : public Component<Composer, ModuleInterface> {
 public:
  static constexpr Info info{.id = "org.gesso.z_image_omni_base.composer",
                             .kind = "composer",
                             .name = "Z-Image-Omni-Base prompts",
                             .version = "1.0.0",
                             .summary = "Chat template around prompt and images, in segments"};

  static const std::vector<Op<Composer>>& ops() {
    static const std::vector<Op<Composer>> list{
        {.name = GESSO_OP_COMPOSE,
         .inputs = {},
         .outputs = {{GESSO_PORT_TEXT, "L D", kPerItem, "f32|bf16"},
                     {GESSO_PORT_TOKEN_IDS, "L", kPerItem, "i64"},
                     {GESSO_PORT_TEXT_SEGMENTS, "S", kPerItem, "i64"}},
         .run = &Composer::run}};
    return list;
  }
  void run(const Call& call, const Inputs& inputs, Outputs& outputs) {
    int32_t item = 0;
    for (auto& prompt : z_image::compose(host(), call, inputs.values(), omni_segments)) {
      outputs.put(GESSO_PORT_TEXT, item, std::move(prompt.text));
      outputs.put(GESSO_PORT_TOKEN_IDS, item, std::move(prompt.token_ids));
      outputs.put(GESSO_PORT_TEXT_SEGMENTS, item++, z_image::integer_tensor(prompt.segment_rows));
    }
  }
};

}  // namespace
}  // namespace gesso::z_image_omni_base

GESSO_EXPORT_PLUGIN("org.gesso.z_image_omni_base", "1.0.0", "Gesso", "Apache-2.0",
                    gesso::z_image_omni_base::Denoiser, gesso::z_image_omni_base::Composer)
