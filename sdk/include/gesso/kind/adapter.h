/* Adapters change what a denoiser computes without touching its weights.
 *
 *   kind "delta_source", "gesso.delta-source/1": a LoRA file in some dialect -> updates of weights
 *   kind "controller",   "gesso.controller/1":   control images -> residuals at points of a
 * denoiser kind "delta_generator" and "delta_form": modules; image-to-LoRA, and other forms of
 * updates */
#ifndef GESSO_KIND_ADAPTER_H
#define GESSO_KIND_ADAPTER_H

#include "../ext/injection.h"
#include "../module.h"
#include "../service/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_DELTA_SOURCE_ID "gesso.delta-source/1"
#define GESSO_CONTROLLER_ID "gesso.controller/1"

/* A weight that takes updates: its request name without ".weight". Sealed. */
typedef struct gesso_target {
  const char* name;
  int64_t out_features, in_features;
} gesso_target_t;

#define GESSO_TARGET_NONE 0xFFFFFFFFu /* a key that matched nothing; `name` says which */

typedef struct gesso_delta_source {
  uint32_t struct_size, reserved;
  gesso_status_t(GESSO_CALL* open)(void* self, const gesso_call_t* call, const gesso_run_t* from,
                                   const gesso_target_t* targets, uint32_t n_targets, void** set,
                                   uint32_t* count);
  /* Every key of the file is accounted for: matched, or given with GESSO_TARGET_NONE. */
  gesso_status_t(GESSO_CALL* get)(void* self, void* set, uint32_t index, uint32_t* target,
                                  const char** name, gesso_delta_t* delta);
  void(GESSO_CALL* close)(void* self, void* set);
} gesso_delta_source_t;

typedef struct gesso_controller {
  uint32_t struct_size, reserved;
  gesso_status_t(GESSO_CALL* open)(void* self, const gesso_call_t* call, const gesso_run_t* control,
                                   const gesso_injection_t* points, const gesso_injector_t** out);
  void(GESSO_CALL* close)(void* self, const gesso_injector_t* injector);
} gesso_controller_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_KIND_ADAPTER_H */
