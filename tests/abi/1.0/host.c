/* A host that knows nothing but the structs of release 1.0, written out below as that release had
 * them: it must load every later plugin of this major and make its components.
 *
 *   abi_host_1.0 PLUGIN.so    a line for each component: its id, its kind, its interfaces; of a
 *                             scheduler also the sigmas of 4 steps */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct error {
  uint32_t struct_size;
  int32_t status;
  char* text;
  uint32_t capacity, length;
} error_t;
typedef struct host {
  uint32_t struct_size, abi_minor;
  void* data;
  const char *name, *version;
  void (*log)(const struct host*, int32_t, const char*);
  const void* (*get_service)(const struct host*, const char*);
} host_t;
typedef struct setup {
  uint32_t struct_size, n_values;
  const void* values;
  void* weights;
} setup_t;
typedef struct call {
  uint32_t struct_size, flags;
  void *data, *stream;
  int32_t device_type, device_id;
  uint32_t thread_limit, reserved;
  error_t* error;
  int32_t (*cancelled)(const struct call*);
  void (*progress)(const struct call*, uint64_t, uint64_t, const char*);
} call_t;
typedef struct desc {
  uint32_t struct_size, n_params;
  const char *id, *kind, *name, *version, *summary;
  const char* const* interfaces;
  const void* params;
} desc_t;
typedef struct component {
  uint32_t struct_size, reserved;
  void* self;
  const desc_t* desc;
  int32_t (*prepare)(void*, const call_t*, const setup_t*);
  const void* (*get_interface)(void*, const char*);
  void (*destroy)(void*);
} component_t;
typedef struct plugin {
  uint32_t struct_size, abi_minor;
  const char *id, *version, *vendor, *license;
  const desc_t* const* components;
  uint64_t n_components;
  int32_t (*create)(const struct plugin*, const host_t*, const char*, component_t**, error_t*);
  const void* (*get_interface)(const struct plugin*, const char*);
  void (*shutdown)(const struct plugin*);
} plugin_t;
typedef struct eval {
  double timestep, sigma, sigma_next, c_sample, c_noise, c_history[4];
  uint32_t n_history, flags;
} eval_t;
typedef struct request {
  uint32_t struct_size, n_steps;
  double strength;
  uint64_t latent_tokens;
  const void* values;
  uint64_t n_values;
} request_t;
typedef struct scheduler {
  uint32_t struct_size;
  int32_t prediction;
  int32_t (*plan)(void*, const call_t*, const request_t*, eval_t*, uint32_t, uint32_t*);
} scheduler_t;
typedef int32_t (*entry_t)(const host_t*, const plugin_t**, error_t*);

static void ignore(const host_t* host, int32_t level, const char* text) {
  (void)host, (void)level, (void)text;
}
static const void* nothing(const host_t* host, const char* id) {
  (void)host, (void)id;
  return NULL;
}
static int32_t never(const call_t* call) {
  (void)call;
  return 0;
}

static int fail(const char* what, const error_t* error) {
  fprintf(stderr, "%s: %s\n", what, error && error->length ? error->text : "");
  return 1;
}

static int print_sigmas(const component_t* component, const call_t* call) {
  const setup_t setup = {sizeof setup, 0, NULL, NULL};
  if (component->prepare(component->self, call, &setup)) return fail("prepare", call->error);
  const scheduler_t* scheduler = component->get_interface(component->self, "gesso.scheduler/1");
  if (!scheduler) return fail("it is no scheduler", NULL);
  const request_t request = {sizeof request, 4, 1.0, 64, NULL, 0};
  eval_t evals[8];
  uint32_t count = 0;
  if (scheduler->plan(component->self, call, &request, evals, 8, &count))
    return fail("plan", call->error);
  for (uint32_t i = 0; i < count && i < 8; ++i) printf(" %.6f", evals[i].sigma);
  return 0;
}

static int try_component(const plugin_t* plugin, const host_t* host, const desc_t* desc,
                         const call_t* call) {
  component_t* component = NULL;
  if (plugin->create(plugin, host, desc->id, &component, call->error))
    return fail("create", call->error);
  printf("%s %s", component->desc->id, component->desc->kind);
  for (const char* const* id = desc->interfaces; *id; ++id) printf(" %s", *id);
  int failed = strcmp(desc->kind, "scheduler") == 0 && print_sigmas(component, call);
  printf("\n");
  component->destroy(component->self);
  return failed;
}

int main(int argc, char** argv) {
  if (argc != 2) return fail("abi_host_1.0 PLUGIN.so", NULL);
  char text[512];
  error_t error = {sizeof error, 0, text, sizeof text, 0};
  const host_t host = {sizeof host, 0, NULL, "old", "1.0.0", ignore, nothing};
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) return fail(dlerror(), NULL);
  entry_t entry;
  *(void**)&entry = dlsym(library, "gesso_plugin_entry_1");
  if (!entry) return fail("it has no entry", NULL);
  const plugin_t* plugin = NULL;
  if (entry(&host, &plugin, &error)) return fail("its entry failed", &error);
  if (plugin->abi_minor != 0) return fail("it speaks another minor than the host", NULL);
  call_t call;
  memset(&call, 0, sizeof call);
  call.struct_size = sizeof call;
  call.device_type = 1;
  call.error = &error;
  call.cancelled = never;
  int failed = 0;
  for (uint64_t i = 0; i < plugin->n_components; ++i)
    failed |= try_component(plugin, &host, plugin->components[i], &call);
  plugin->shutdown(plugin);
  return failed;
}
