/* Kind "delta_generator": pictures become low-rank updates of a denoiser (image-to-LoRA).
 *
 * A module with two operations. "encode" may use siblings (image encoders):
 *
 *   encode    input   pixels    PER_ITEM  3 H W  f32  in [-1, 1], one per picture
 *             output  features  PER_ITEM  D      f32|bf16
 *   generate  input   features  PER_ITEM  D      one per picture
 *             output  a         PER_ITEM  R In   index = target
 *                     b         PER_ITEM  Out R
 *
 * Several pictures make one set of updates, merged as the model wants it. The names of the targets
 * are told by the interface "gesso.delta-generator/1". */
#ifndef GESSO_KIND_DELTA_GENERATOR_H
#define GESSO_KIND_DELTA_GENERATOR_H

#include "delta_source.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_DELTA_GENERATOR_ID "gesso.delta-generator/1"
#define GESSO_OP_GENERATE "generate"
#define GESSO_PORT_A "a"
#define GESSO_PORT_B "b"

typedef struct gesso_delta_generator {
  uint32_t struct_size, reserved;
  /* [instance & ready] The targets in the order of the outputs; constant while the component lives.
   */
  gesso_status_t(GESSO_CALL* targets)(void* self, const gesso_target_t** targets,
                                      uint64_t* n_targets, gesso_error_t* error);
} gesso_delta_generator_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_KIND_DELTA_GENERATOR_H */
