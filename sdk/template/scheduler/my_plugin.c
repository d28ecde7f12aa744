/* A scheduler of even steps from noise to picture. It has no parameters.
 *
 *   [components.scheduler]
 *   id = "org.example.my_plugin.scheduler"
 */
#include <gesso/gesso.h>
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
static const gesso_component_desc_t description = {sizeof description,
                                                   0,
                                                   "org.example.my_plugin.scheduler",
                                                   "scheduler",
                                                   "MyPlugin",
                                                   "1.0.0",
                                                   "Even steps from noise to picture",
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
    return fail(error, GESSO_STATUS_NOT_FOUND, "org.example.my_plugin has no such component");
  }
  gesso_component_t* component = calloc(1, sizeof *component);
  if (!component) return fail(error, GESSO_STATUS_OUT_OF_MEMORY, "out of memory");
  component->struct_size = sizeof *component;
  component->self = component; /* no state of its own */
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

static void plugin_shutdown(const gesso_plugin_t* plugin) { (void)plugin; }

static const gesso_component_desc_t* const components[] = {&description};
static gesso_plugin_t table = {sizeof table,
                               0,
                               "org.example.my_plugin",
                               "1.0.0",
                               "Example",
                               "Apache-2.0",
                               components,
                               1,
                               create,
                               plugin_interface,
                               plugin_shutdown};

gesso_status_t gesso_plugin_entry_0(const gesso_host_t* host, const gesso_plugin_t** plugin,
                                    gesso_error_t* error) {
  const uint32_t minor = gesso_negotiate(host);
  if (minor == 0) {
    return fail(error, GESSO_STATUS_INCOMPATIBLE,
                "org.example.my_plugin was built for another ABI; rebuild it against this release");
  }
  table.abi_minor = minor;
  *plugin = &table;
  return GESSO_STATUS_OK;
}
