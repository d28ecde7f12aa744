/* "gesso.injection/1": points of a denoiser where its state can be read and residuals added. */
#ifndef GESSO_EXT_INJECTION_H
#define GESSO_EXT_INJECTION_H

#include "../module.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_INJECTION_ID "gesso.injection/1"

enum { GESSO_POINT_TAP = 1u, GESSO_POINT_ADD = 2u };

/* Constant while the denoiser lives. */
typedef struct gesso_point {
  uint32_t struct_size, flags;
  const char* name;                /* "embed", "unified", "layers.4" */
  const gesso_port_t* const* taps; /* what can be read here, PER_ITEM */
  uint64_t n_taps;
} gesso_point_t;

typedef struct gesso_injection {
  uint32_t struct_size, reserved;
  /* [instance & ready] The points in the order in which a run reaches them. */
  gesso_status_t(GESSO_CALL* points)(void* self, const gesso_point_t* const** points,
                                     uint32_t* n_points, gesso_error_t* error);
} gesso_injection_t;

/* Made by a controller, called by the denoiser at `points`, in order. Used by one run at a time; a
 * run may end early. */
typedef struct gesso_injector {
  uint32_t struct_size, n_points;
  void* data;
  const uint32_t* points; /* places in the denoiser's list, rising */
  /* [instance] `taps`: port = place in the point's taps, index = item of the batch. The residual of
   * an item goes to port 0 of `residuals` with its index; what is not given is not added. */
  gesso_status_t(GESSO_CALL* at)(const struct gesso_injector* injector, const gesso_call_t* call,
                                 uint32_t point, const gesso_bundle_t* taps,
                                 const gesso_sink_t* residuals);
  /* [instance] The way back, in training, in reverse; NULL where it cannot be trained through. */
  gesso_status_t(GESSO_CALL* back)(const struct gesso_injector* injector, const gesso_call_t* call,
                                   uint32_t point, const gesso_bundle_t* residual_grads,
                                   const gesso_sink_t* tap_grads);
} gesso_injector_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_EXT_INJECTION_H */
