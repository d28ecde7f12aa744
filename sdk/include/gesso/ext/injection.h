/* "gesso.injection/1": points of a denoiser where its state can be read and residuals added. */
#ifndef GESSO_EXT_INJECTION_H
#define GESSO_EXT_INJECTION_H

#include "../module.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_INJECTION_ID "gesso.injection/1"

enum { GESSO_POINT_TAP = 1u, GESSO_POINT_ADD = 2u };

typedef struct gesso_point {
  uint32_t struct_size, flags;
  const char* name; /* "embed", "unified", "layers.4.out" */
  const gesso_port_t* const* taps;
  uint64_t n_taps;
} gesso_point_t;

typedef struct gesso_injection {
  uint32_t struct_size, n_points;
  const gesso_point_t* const* points;
} gesso_injection_t;

/* Made by a controller, called by the denoiser at `points`, in order. */
typedef struct gesso_injector {
  uint32_t struct_size, n_points;
  void* data;
  const uint32_t* points;
  /* `residual` stays NULL when nothing is added here; else it is the caller's. [during call] */
  gesso_status_t(GESSO_CALL* at)(const struct gesso_injector* injector, const gesso_call_t* call,
                                 uint32_t point, const gesso_bundle_t* taps,
                                 gesso_tensor_t** residual);
  /* The way back, in training; NULL where it cannot be trained through. */
  gesso_status_t(GESSO_CALL* back)(const struct gesso_injector* injector, const gesso_call_t* call,
                                   uint32_t point, gesso_tensor_t* residual_grad,
                                   const gesso_sink_t* tap_grads);
} gesso_injector_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_EXT_INJECTION_H */
