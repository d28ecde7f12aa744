/* "gesso.module/1": whatever computes. Named operations with named ports. */
#ifndef GESSO_MODULE_H
#define GESSO_MODULE_H

#include "host.h"
#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_MODULE_ID "gesso.module/1"

enum {
  GESSO_PORT_OPTIONAL = 1u,
  GESSO_PORT_PER_ITEM = 2u, /* one tensor per item of the batch, index 0..B-1; else index -1 */
  GESSO_PORT_LIST = 4u      /* a list of its own, shared by all items, index 0..n-1 */
};

typedef struct gesso_port {
  uint32_t struct_size, flags;
  const char* name;
  const char* dims;   /* "C H W": letters of one item when PER_ITEM */
  const char* dtypes; /* "f32|bf16"; NULL: any floating type */
} gesso_port_t;

/* Ports are numbered by their place here, so that names are resolved once. Constant. */
typedef struct gesso_op {
  uint32_t struct_size, n_inputs, n_outputs, n_params;
  const char* name;
  const gesso_port_t* const* inputs;
  const gesso_port_t* const* outputs;
  const gesso_param_t* const* params; /* values that `run` reads */
} gesso_op_t;

struct gesso_injector; /* ext/injection.h */

typedef struct gesso_run {
  uint32_t struct_size;
  uint32_t op;
  const gesso_bundle_t* inputs;
  const gesso_sink_t* outputs; /* NULL in `estimate` */
  const gesso_value_t* values;
  uint64_t n_values;
  const struct gesso_injector* const* injectors;
  uint64_t n_injectors;
} gesso_run_t;

/* Filled by `estimate` from shapes alone: tensors may have data == NULL. */
typedef struct gesso_estimate {
  uint32_t struct_size, reserved;
  uint64_t peak_bytes; /* activations at the highest point, without inputs and weights */
  uint64_t flops;      /* multiplications and additions of matrix products and convolutions */
} gesso_estimate_t;

typedef struct gesso_module {
  uint32_t struct_size, n_ops;
  const gesso_op_t* const* ops;
  /* [instance & ready] Results leave through the sink before it returns. */
  gesso_status_t(GESSO_CALL* run)(void* self, const gesso_call_t* call, const gesso_run_t* run);
  /* [instance & ready] May be NULL. */
  gesso_status_t(GESSO_CALL* estimate)(void* self, const gesso_call_t* call, const gesso_run_t* run,
                                       gesso_estimate_t* out);
} gesso_module_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_MODULE_H */
