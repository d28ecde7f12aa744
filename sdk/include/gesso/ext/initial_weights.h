/* "gesso.initial-weights/1": what the weights of a component are before it was ever trained, told
 * in terms of another component of the pipeline: a ControlNet that begins as a copy of blocks. */
#ifndef GESSO_EXT_INITIAL_WEIGHTS_H
#define GESSO_EXT_INITIAL_WEIGHTS_H

#include "../service/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_INITIAL_WEIGHTS_ID "gesso.initial-weights/1"

/* Gets one weight after the other. `source`: the weight of the other component that it equals;
 * NULL: numbers uniform between -spread and spread in `shape`. */
typedef struct gesso_initial_sink {
  uint32_t struct_size, reserved;
  void* data;
  gesso_status_t(GESSO_CALL* accept)(const struct gesso_initial_sink* sink, const char* name,
                                     const char* source, const int64_t* shape, int32_t ndim,
                                     uint32_t reserved, double spread); /* [instance & in call] */
} gesso_initial_sink_t;

typedef struct gesso_initial_weights {
  uint32_t struct_size, reserved;
  const char* role; /* whose weights are copied; "denoiser" */
  /* [instance & ready] Of one that was given no weights: all that it would ask for. `base` is for
   * `describe` alone. */
  gesso_status_t(GESSO_CALL* list)(void* self, gesso_weights_t* base,
                                   const gesso_initial_sink_t* sink, gesso_error_t* error);
} gesso_initial_weights_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_EXT_INITIAL_WEIGHTS_H */
