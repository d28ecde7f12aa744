/* "gesso.delta-training/1": what a delta source offers beside "gesso.delta-source/1" when updates
 * of its forms can be trained: their parts at the beginning, and the way back of `materialize`. */
#ifndef GESSO_EXT_DELTA_TRAINING_H
#define GESSO_EXT_DELTA_TRAINING_H

#include "../kind/delta_source.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_DELTA_TRAINING_ID "gesso.delta-training/1"

/* Gets the parts of an update, in float32, by the names that they have in a file. */
typedef struct gesso_part_sink {
  uint32_t struct_size, reserved;
  void* data;
  gesso_status_t(GESSO_CALL* accept)(const struct gesso_part_sink* sink, const char* name,
                                     gesso_tensor_t* part); /* [instance & in call] */
} gesso_part_sink_t;

typedef struct gesso_delta_training {
  uint32_t struct_size, reserved;
  const char* const* kinds; /* what can be begun, ended by NULL: "dora", "lokr" */
  /* [instance & ready] A new update of a weight, which changes nothing yet. `base`: the weight
   * [out, in] in float32; random numbers are a function of `seed`. */
  gesso_status_t(GESSO_CALL* begin)(void* self, const gesso_call_t* call, const char* kind,
                                    const gesso_target_t* target, gesso_tensor_t* base,
                                    uint64_t rank, uint64_t seed, const gesso_part_sink_t* parts);
  /* [instance & ready] The gradients of all parts of one update, from that of the weight that
   * `materialize` makes of `base`, [out, in] in float32. */
  gesso_status_t(GESSO_CALL* back)(void* self, const gesso_call_t* call,
                                   const gesso_named_tensor_t* parts, uint64_t n_parts,
                                   const gesso_target_t* target, gesso_tensor_t* base,
                                   gesso_tensor_t* weight_grad, const gesso_part_sink_t* grads);
} gesso_delta_training_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_EXT_DELTA_TRAINING_H */
