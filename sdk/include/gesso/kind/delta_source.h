/* Kind "delta_source", interface "gesso.delta-source/1": the tensors of a LoRA file, in some
 * dialect of names, become updates of weights. The weights themselves are never written: a
 * component adds low-rank updates while it runs, and the host adds all others to private copies. */
#ifndef GESSO_KIND_DELTA_SOURCE_H
#define GESSO_KIND_DELTA_SOURCE_H

#include "../host.h"
#include "../service/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_DELTA_SOURCE_ID "gesso.delta-source/1"
#define GESSO_DELTA_LOW_RANK "low_rank"

/* A weight that takes updates: its request name without ".weight". Extents of 0 are not known, as
 * when a file is read without its model: whatever the file has fits. Sealed. */
typedef struct gesso_target {
  const char* name;
  int64_t out_features, in_features;
} gesso_target_t;

/* Sealed. */
typedef struct gesso_named_tensor {
  const char* name;
  gesso_tensor_t* tensor; /* borrowed */
} gesso_named_tensor_t;

#define GESSO_TARGET_NONE 0xFFFFFFFFu /* a key that matched nothing; `name` says which */

typedef struct gesso_delta_source {
  uint32_t struct_size, reserved;
  /* [instance & ready; until close] Both lists, their names and tensors are borrowed until then.
   * INCOMPATIBLE names key, found and expected shape. */
  gesso_status_t(GESSO_CALL* open)(void* self, const gesso_call_t* call,
                                   const gesso_named_tensor_t* tensors, uint64_t n_tensors,
                                   const gesso_target_t* targets, uint64_t n_targets, void** set,
                                   uint64_t* count, gesso_error_t* error);
  /* [instance & ready] Update `index` below `count`: its target, its key, and the update itself,
   * borrowed until `close`; `scale` is alpha / rank (the host multiplies it by the user's scale),
   * `items` and `id` are the host's. Every key of the file is accounted for: matched, or given once
   * with GESSO_TARGET_NONE. Several updates of one target add up. */
  gesso_status_t(GESSO_CALL* get)(void* self, void* set, uint64_t index, uint32_t* target,
                                  const char** name, gesso_delta_t* delta, gesso_error_t* error);
  void(GESSO_CALL* close)(void* self, void* set); /* [instance & ready] */
  /* [instance & ready] For updates of another form than "low_rank": the weight [out, in] with the
   * whole update, from `base` [out, in], all in float32. NULL when there are no other forms. */
  gesso_status_t(GESSO_CALL* materialize)(void* self, const gesso_call_t* call, void* set,
                                          uint64_t index, gesso_tensor_t* base,
                                          gesso_tensor_t** out);
} gesso_delta_source_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_KIND_DELTA_SOURCE_H */
