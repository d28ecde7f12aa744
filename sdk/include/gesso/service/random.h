/* "gesso.random/1": the host's random numbers, so that a seed means the same everywhere. */
#ifndef GESSO_SERVICE_RANDOM_H
#define GESSO_SERVICE_RANDOM_H

#include "../host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_RANDOM_ID "gesso.random/1"

typedef struct gesso_random_service {
  uint32_t struct_size, reserved;
  /* [thread-safe] Fills `out` (float32, contiguous, on the CPU) with normal numbers of `seed`; the
   * same seed and shape give the same bits as the reference's CPU generator. */
  gesso_status_t(GESSO_CALL* normal)(uint64_t seed, DLTensor* out, gesso_error_t* error);
} gesso_random_service_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_SERVICE_RANDOM_H */
