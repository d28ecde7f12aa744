/* Kind "scheduler", interface "gesso.scheduler/1": numbers only, so that it can be forty lines of
 * any language, for any device. The host does the arithmetic on tensors. */
#ifndef GESSO_KIND_SCHEDULER_H
#define GESSO_KIND_SCHEDULER_H

#include "../host.h"
#include "../value.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_SCHEDULER_ID "gesso.scheduler/1"

enum {                                /* what the denoiser predicts */
       GESSO_PREDICTION_VELOCITY = 1, /* d x / d sigma = noise - clean */
       GESSO_PREDICTION_NOISE = 2,
       GESSO_PREDICTION_SAMPLE = 3
};

/* One evaluation: x' = c_sample * x + sum_k c_history[k] * prediction(now - k) + c_noise * noise.
 * Sealed. Noisy image at `sigma`: (1 - sigma) * clean + sigma * noise. */
typedef struct gesso_eval {
  double timestep; /* what the denoiser is told */
  double sigma, sigma_next;
  double c_sample, c_noise;
  double c_history[4];
  uint32_t n_history, flags;
} gesso_eval_t;

typedef struct gesso_schedule_request {
  uint32_t struct_size;
  uint32_t n_steps;
  double strength; /* denoising_strength in (0, 1]; 1: from pure noise */
  uint64_t latent_tokens;
  const gesso_value_t* values; /* the scheduler's parameters, such as `sigma_shift` */
  uint64_t n_values;
} gesso_schedule_request_t;

typedef struct gesso_scheduler {
  uint32_t struct_size;
  int32_t prediction;
  /* [instance & ready] The evaluations in order; `count` gets their full number, only the first
   * `capacity` are written. */
  gesso_status_t(GESSO_CALL* plan)(void* self, const gesso_call_t* call,
                                   const gesso_schedule_request_t* request, gesso_eval_t* evals,
                                   uint32_t capacity, uint32_t* count);
  /* [instance & ready] Training: the point at place u in [0, 1) of a grid of `n_steps`, and the
   * weight of its loss. */
  gesso_status_t(GESSO_CALL* train_point)(void* self, const gesso_call_t* call,
                                          const gesso_schedule_request_t* request, double u,
                                          double* timestep, double* sigma, double* weight);
} gesso_scheduler_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_KIND_SCHEDULER_H */
