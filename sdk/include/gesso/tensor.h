/* Tensors cross as DLPack 1.x: strides filled, byte_offset honoured, no alignment assumed. */
#ifndef GESSO_TENSOR_H
#define GESSO_TENSOR_H

#include "abi.h"
#include "dlpack.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Owned by whoever received it; the owner calls `deleter` once, from any thread (rule R5). */
typedef struct DLManagedTensorVersioned gesso_tensor_t;

/* One tensor at one port of an operation. Sealed. */
typedef struct gesso_item {
  uint32_t port;          /* place in the operation's list of ports */
  int32_t index;          /* element of a list; -1: one tensor for the whole batch */
  gesso_tensor_t* tensor; /* borrowed until the call returns */
} gesso_item_t;

/* The inputs of an operation. Items of one port stand in the order of their index. */
typedef struct gesso_bundle {
  uint32_t struct_size, count;
  const gesso_item_t* items;
} gesso_bundle_t;

/* Receives results. `accept` takes the tensor, also when it fails. */
typedef struct gesso_sink {
  uint32_t struct_size, reserved;
  void* data;
  gesso_status_t(GESSO_CALL* accept)(const struct gesso_sink* sink, uint32_t port, int32_t index,
                                     gesso_tensor_t* tensor); /* [instance & in call] */
} gesso_sink_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_TENSOR_H */
