/* Kind "denoiser", a module with the operation "denoise".
 *
 *   input   latents         PER_ITEM  C H W  f32|bf16
 *           timestep                  B      f32       the scheduler's t, 1000 = noise
 *           text            PER_ITEM  L D    f32|bf16  features without padding
 *           text_segments   PER_ITEM, OPTIONAL  S  i64  rows of `text` in each of its segments
 *           image_latents   LIST, OPTIONAL  C h w      condition images
 *           image_features  LIST, OPTIONAL  h w D      of the same images, in the same order
 *   output  prediction      PER_ITEM  C H W            what the scheduler's `prediction` says
 *
 * Condition images are shared by all items of the batch. Items may differ in size; a batch gives
 * what single runs give, bit for bit. Value `numerics` (TEXT "precise" or "diffsynth"): the latter
 * rounds the timestep as the reference does. */
#ifndef GESSO_KIND_DENOISER_H
#define GESSO_KIND_DENOISER_H
#define GESSO_OP_DENOISE "denoise"
#define GESSO_PORT_TIMESTEP "timestep"
#define GESSO_PORT_TEXT_SEGMENTS "text_segments"
#define GESSO_PORT_IMAGE_LATENTS "image_latents"
#define GESSO_PORT_IMAGE_FEATURES "image_features"
#define GESSO_PORT_PREDICTION "prediction"
#endif /* GESSO_KIND_DENOISER_H */
