/* A scheduler in plain C: the two-step method of Adams and Bashforth.
 *
 * The flow is dx / dsigma = v(x, sigma). Euler's step uses v at the start of a step only; this one
 * draws a line through the last two velocities, and so has errors of second order for the same
 * number of evaluations. The first step has no past and is Euler's.
 *
 *   gesso run emoji.toml --set components.scheduler.id=org.example.adams.scheduler
 */
#include <gesso/gesso.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gesso_status_t fail(gesso_error_t* error, gesso_status_t status, const char* text) {
  if (error) {
    error->status = status;
    error->length = (uint32_t)strlen(text);
    if (error->text && error->capacity) snprintf(error->text, error->capacity, "%s", text);
  }
  return status;
}

/* The parameter that the manifest describes. Hosts fill in the default; tests may not. */
static double shift_of(const gesso_schedule_request_t* request) {
  for (uint64_t i = 0; i < request->n_values; ++i) {
    const gesso_value_t* value = &request->values[i];
    if (strcmp(value->key, "sigma_shift") != 0) continue;
    if (value->type == GESSO_VALUE_REAL) return value->u.r;
    if (value->type == GESSO_VALUE_INT) return (double)value->u.i;
  }
  return 3.0;
}

/* Noise level after `done` of `n` steps: even, then bent towards the noise. */
static double level(const gesso_schedule_request_t* request, double done) {
  const double shift = shift_of(request);
  const double even = request->strength * (1.0 - done / request->n_steps);
  return shift * even / (1.0 + (shift - 1.0) * even);
}

static gesso_status_t check(const gesso_call_t* call, const gesso_schedule_request_t* request) {
  gesso_error_t* error = call ? call->error : NULL;
  if (request->n_steps < 1) {
    return fail(error, GESSO_STATUS_INVALID_ARGUMENT,
                "num_inference_steps: expected 1 or more, found 0");
  }
  if (!(request->strength > 0 && request->strength <= 1)) {
    return fail(error, GESSO_STATUS_INVALID_ARGUMENT,
                "denoising_strength: expected a number above 0, at most 1");
  }
  if (!(shift_of(request) > 0) || !isfinite(shift_of(request))) {
    return fail(error, GESSO_STATUS_INVALID_ARGUMENT, "sigma_shift: expected a number above 0");
  }
  return GESSO_STATUS_OK;
}

static gesso_status_t plan(void* self, const gesso_call_t* call,
                           const gesso_schedule_request_t* request, gesso_eval_t* evals,
                           uint32_t capacity, uint32_t* count) {
  const gesso_status_t status = check(call, request);
  if (status != GESSO_STATUS_OK) return status;
  (void)self;
  *count = request->n_steps; /* all of them, also when there is room for fewer */
  for (uint32_t i = 0; i < request->n_steps && i < capacity; ++i) {
    gesso_eval_t eval = {0};
    eval.sigma = level(request, i);
    eval.sigma_next = level(request, i + 1.0);
    eval.timestep = 1000 * eval.sigma;
    eval.c_sample = 1;
    const double step = eval.sigma_next - eval.sigma;
    if (i == 0) {
      eval.n_history = 1;
      eval.c_history[0] = step;
    } else {
      /* The line through both velocities, integrated over a step of another length than the last.
       */
      const double ratio = step / (eval.sigma - level(request, i - 1.0));
      eval.n_history = 2;
      eval.c_history[0] = step * (1 + ratio / 2);
      eval.c_history[1] = -step * ratio / 2;
    }
    evals[i] = eval;
  }
  return GESSO_STATUS_OK;
}

static gesso_status_t train_point(void* self, const gesso_call_t* call,
                                  const gesso_schedule_request_t* request, double u,
                                  double* timestep, double* sigma, double* weight) {
  const gesso_status_t status = check(call, request);
  if (status != GESSO_STATUS_OK) return status;
  (void)self;
  *sigma = level(request, u * request->n_steps);
  *timestep = 1000 * *sigma;
  *weight = 1;
  return GESSO_STATUS_OK;
}

static const gesso_scheduler_t scheduler = {sizeof scheduler, GESSO_PREDICTION_VELOCITY, plan,
                                            train_point};

/* What follows is the same for every plugin in C: a component, and the plugin that makes it. */

static const char* const interfaces[] = {GESSO_SCHEDULER_ID, NULL};
static const gesso_component_desc_t description = {
    sizeof description,
    0, /* parameters are described by the manifest */
    "org.example.adams.scheduler",
    "scheduler",
    "Adams and Bashforth",
    "1.0.0",
    "Two-step method of second order: one evaluation per step, smaller errors than Euler's",
    interfaces,
    NULL};

static gesso_status_t prepare(void* self, const gesso_call_t* call, const gesso_setup_t* setup) {
  (void)self;
  (void)call;
  (void)setup;
  return GESSO_STATUS_OK;
}

static const void* get_interface(void* self, const char* id) {
  (void)self;
  return id && strcmp(id, GESSO_SCHEDULER_ID) == 0 ? &scheduler : NULL;
}

static gesso_status_t create(const gesso_plugin_t* plugin, const gesso_host_t* host, const char* id,
                             gesso_component_t** out, gesso_error_t* error) {
  (void)plugin;
  (void)host;
  if (!id || strcmp(id, description.id) != 0) {
    return fail(error, GESSO_STATUS_NOT_FOUND, "org.example.adams has no such component");
  }
  gesso_component_t* component = calloc(1, sizeof *component);
  if (!component) return fail(error, GESSO_STATUS_OUT_OF_MEMORY, "out of memory");
  component->struct_size = sizeof *component;
  component->self = component; /* it has no state of its own */
  component->desc = &description;
  component->prepare = prepare;
  component->get_interface = get_interface;
  component->destroy = free;
  *out = component;
  return GESSO_STATUS_OK;
}

static const void* plugin_interface(const gesso_plugin_t* plugin, const char* id) {
  (void)plugin;
  (void)id;
  return NULL;
}

static void shutdown(const gesso_plugin_t* plugin) { (void)plugin; }

static const gesso_component_desc_t* const components[] = {&description};
static gesso_plugin_t table = {sizeof table,     0,         "org.example.adams",
                               "1.0.0",          "Example", "Apache-2.0",
                               components,       1,         create,
                               plugin_interface, shutdown};

gesso_status_t gesso_plugin_entry_1(const gesso_host_t* host, const gesso_plugin_t** plugin,
                                    gesso_error_t* error) {
  if (gesso_negotiate(host, &table.abi_minor) != GESSO_STATUS_OK) {
    return fail(error, GESSO_STATUS_INCOMPATIBLE,
                "org.example.adams needs a newer host; update it");
  }
  *plugin = &table;
  return GESSO_STATUS_OK;
}
