/* "gesso.control-training/1": what a controller offers beside "gesso.controller/1" when it can be
 * trained, or a denoiser through it. */
#ifndef GESSO_EXT_CONTROL_TRAINING_H
#define GESSO_EXT_CONTROL_TRAINING_H

#include "injection.h"
#include "training.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_CONTROL_TRAINING_ID "gesso.control-training/1"

typedef struct gesso_control_training {
  uint32_t struct_size, checkpoints; /* bits of GESSO_CHECKPOINT_* */
  /* [instance & ready; until close] As `open` of the controller, for one training run: `at` keeps
   * what `back` needs; `back`, called at every point in reverse order, gives gradients of weights
   * to `weight_grads`, which is borrowed until `close`; NULL: the controller is frozen. */
  gesso_status_t(GESSO_CALL* open)(void* self, const gesso_call_t* call, gesso_tensor_t* context,
                                   double scale, const gesso_point_t* const* points,
                                   uint64_t n_points, int32_t checkpoint,
                                   const gesso_grad_sink_t* weight_grads,
                                   const gesso_injector_t** out);
  void(GESSO_CALL* close)(void* self, const gesso_injector_t* injector); /* [instance & ready] */
} gesso_control_training_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_EXT_CONTROL_TRAINING_H */
