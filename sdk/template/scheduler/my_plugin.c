/* A scheduler of even steps from noise to picture. It has no parameters.
 *
 *   [components.scheduler]
 *   id = "org.example.my_plugin.scheduler"
 */
#include <string.h>

#include "plugin.h"

static gesso_status_t plan(void* self, const gesso_call_t* call,
                           const gesso_schedule_request_t* request, gesso_eval_t* evals,
                           uint32_t capacity, uint32_t* count) {
  (void)self;
  (void)call;
  *count = request->n_steps;
  for (uint32_t i = 0; i < request->n_steps && i < capacity; ++i) {
    gesso_eval_t eval = {0};
    eval.sigma = request->strength * (1.0 - (double)i / request->n_steps);
    eval.sigma_next = request->strength * (1.0 - (double)(i + 1) / request->n_steps);
    eval.timestep = 1000 * eval.sigma;
    eval.c_sample = 1;
    eval.n_history = 1;
    eval.c_history[0] = eval.sigma_next - eval.sigma; /* Euler: x + v * (next - now) */
    evals[i] = eval;
  }
  return GESSO_STATUS_OK;
}

static gesso_status_t train_point(void* self, const gesso_call_t* call,
                                  const gesso_schedule_request_t* request, double u,
                                  double* timestep, double* sigma, double* weight) {
  (void)self;
  (void)call;
  (void)request;
  *timestep = 1000 * (1 - u);
  *sigma = 1 - u;
  *weight = 1;
  return GESSO_STATUS_OK;
}

static const gesso_scheduler_t scheduler = {sizeof scheduler, GESSO_PREDICTION_VELOCITY, plan,
                                            train_point};

static const char* const interfaces[] = {GESSO_SCHEDULER_ID, NULL};
const gesso_component_desc_t my_plugin_description = {sizeof my_plugin_description,
                                                      0,
                                                      "org.example.my_plugin.scheduler",
                                                      "scheduler",
                                                      "MyPlugin",
                                                      "1.0.0",
                                                      "Even steps from noise to picture",
                                                      interfaces,
                                                      NULL};

gesso_status_t my_plugin_prepare(instance_t* instance, const gesso_call_t* call,
                                 const gesso_setup_t* setup) {
  (void)instance, (void)call, (void)setup;
  return GESSO_STATUS_OK;
}

const void* my_plugin_interface(const char* id) {
  return strcmp(id, GESSO_SCHEDULER_ID) == 0 ? &scheduler : NULL;
}
