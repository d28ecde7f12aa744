/* Kind "codec", a module with the operations "encode" and "decode": pictures and latents.
 *
 *   encode  input   pixels   PER_ITEM  3 H W  f32|bf16  in [-1, 1]
 *           output  latents  PER_ITEM  C h w            scaled and shifted as the denoiser wants
 *   decode  input   latents  PER_ITEM  C h w  f32|bf16
 *           output  pixels   PER_ITEM  3 H W            about [-1, 1], not clamped
 *
 * Values of both: `tiled` (BOOL, false), `tile_size`, `tile_stride` (INT): in pixels for encode, in
 * latent cells for decode. The geometry of a codec is told by the interface "gesso.codec/1". */
#ifndef GESSO_KIND_CODEC_H
#define GESSO_KIND_CODEC_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_OP_DECODE "decode"
#define GESSO_PORT_PIXELS "pixels"
#define GESSO_PORT_LATENTS "latents"
#define GESSO_CODEC_ID "gesso.codec/1"

typedef struct gesso_codec {
  uint32_t struct_size, reserved;
  /* [instance & ready] Channels of a latent, and pixels per latent cell along a side. */
  void(GESSO_CALL* geometry)(void* self, uint32_t* channels, uint32_t* pixels_per_cell);
  /* [instance & ready] A linear preview: rgb = weight^T latent + bias in [-1, 1]. `weight` gets
   * channels x 3 numbers, `bias` 3. Returns 0 when this codec has none. May be NULL. */
  int32_t(GESSO_CALL* preview)(void* self, float* weight, float* bias);
} gesso_codec_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_KIND_CODEC_H */
