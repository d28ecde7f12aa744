/* "gesso.training/1": forward with saved context, backward; parameters are enumerated by the units
 * and requests that the component declared, and marked TRAINABLE in their views. */
#ifndef GESSO_EXT_TRAINING_H
#define GESSO_EXT_TRAINING_H

#include "../module.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_TRAINING_ID "gesso.training/1"

/* A flag of weight requests beside those of service/weights.h: trained with its model, but no
 * target of adapters, such as a padding token. */
#define GESSO_WEIGHT_NO_TARGET 32u

enum { /* what a tape keeps; a bit set in gesso_training_t */
       GESSO_CHECKPOINT_NONE = 1,
       GESSO_CHECKPOINT_BLOCKS = 2,
       GESSO_CHECKPOINT_BLOCKS_OFFLOADED = 4
};

typedef struct gesso_train {
  uint32_t struct_size;
  int32_t checkpoint;         /* one of the above */
  const uint32_t* grad_ports; /* inputs whose gradients are wanted */
  uint64_t n_grad_ports;
} gesso_train_t;

/* Gets the gradients of parameters as soon as they are known, in the type that was computed with or
 * in float32; delta_id GESSO_THE_WEIGHT: the weight itself, else the update with that id and the
 * place of one of its parts. What comes more than once is added up. A parameter that had no part
 * in the result gets none. */
#define GESSO_THE_WEIGHT 0xFFFFFFFFu
typedef struct gesso_grad_sink {
  uint32_t struct_size, reserved;
  void* data;
  gesso_status_t(GESSO_CALL* accept)(const struct gesso_grad_sink* sink, uint32_t unit_id,
                                     uint32_t weight, uint32_t delta_id, uint32_t part,
                                     gesso_tensor_t* gradient); /* [instance & in call] */
} gesso_grad_sink_t;

/* `forward`: [instance & ready; until tape_release]. A tape belongs to its instance and is used by
 * one `backward`; several may live, for losses over several steps. Injectors of the run must live
 * as long. Inputs are borrowed for the call alone. With GESSO_CHECKPOINT_NONE units stay entered
 * while the tape lives; otherwise they are entered again, block by block, on the way back. */
typedef struct gesso_training {
  uint32_t struct_size, checkpoints;
  gesso_status_t(GESSO_CALL* forward)(void* self, const gesso_call_t* call, const gesso_run_t* run,
                                      const gesso_train_t* train, void** tape);
  /* [instance & ready] `weight_grads` NULL: all is frozen, only gradients of inputs are wanted. */
  gesso_status_t(GESSO_CALL* backward)(void* self, const gesso_call_t* call, void* tape,
                                       const gesso_bundle_t* output_grads,
                                       const gesso_sink_t* input_grads,
                                       const gesso_grad_sink_t* weight_grads);
  uint64_t(GESSO_CALL* tape_bytes)(void* self, const void* tape); /* [instance & ready] */
  void(GESSO_CALL* tape_release)(void* self, void* tape);         /* [instance & ready] */
} gesso_training_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_EXT_TRAINING_H */
