#define _GNU_SOURCE
/* Entry, table, descriptors and life of the components. */
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

#include "faulty.h"

int faulty(const char* check) {
  const char* name = getenv("GESSO_FAULT");
  return name && strcmp(name, check) == 0;
}

/* Changes the process; looked up, so that the library does not import it. */
void faulty_disturb(void) {
  unsigned (*change)(unsigned);
  *(void**)&change = dlsym(RTLD_DEFAULT, "umask");
  if (change) change(change(0) ^ 0111);
}

gesso_status_t faulty_fail(gesso_error_t* error, gesso_status_t status, const char* text) {
  if (error) {
    error->status = faulty("create.error_status") ? GESSO_STATUS_OK : status;
    error->length = (uint32_t)strlen(text);
    if (error->text && error->capacity) snprintf(error->text, error->capacity, "%s", text);
  }
  return status;
}

enum { MOST = 8 };
static gesso_component_desc_t descriptors[MOST];
static const gesso_component_desc_t* components[MOST + 1];
static gesso_plugin_t table;

static gesso_status_t prepare(void* self, const gesso_call_t* call, const gesso_setup_t* setup) {
  static _Atomic int busy;
  faulty_instance_t* instance = self;
  if (faulty("component.without_services") &&
      !instance->host->get_service(instance->host, GESSO_WEIGHTS_ID))
    __builtin_trap();
  if (faulty("component.threads") && instance->kind == faulty_kinds[0]) {
    const struct timespec pause = {0, 5000000};
    if (busy) return faulty_fail(call->error, GESSO_STATUS_BAD_STATE, "somebody else is here");
    busy = 1;
    nanosleep(&pause, NULL);
    busy = 0;
  }
  for (uint32_t i = 0; i < setup->n_values; ++i)
    if (strcmp(setup->values[i].key, "shift") == 0 && setup->values[i].type != GESSO_VALUE_REAL &&
        !faulty("component.wrong_value"))
      return faulty_fail(call->error, GESSO_STATUS_INVALID_ARGUMENT, "shift must be a number");
  if (faulty("component.prepares") && instance->kind == faulty_kinds[0]) {
    return faulty_fail(call->error, GESSO_STATUS_INTERNAL, "it does not want to");
  }
  if (faulty("component.prepare_leaves_process")) faulty_disturb();
  if (!instance->made) instance->made = malloc(4096);
  return instance->kind->prepare ? instance->kind->prepare(instance, call, setup) : GESSO_STATUS_OK;
}

static const void* get_interface(void* self, const char* id) {
  const faulty_instance_t* instance = self;
  const faulty_kind_t* kind = instance->kind;
  if (!id) return faulty("component.null_interface") ? kind : NULL;
  if (faulty("component.interfaces") && strstr(id, "extra")) return NULL;
  for (int i = 0; kind->interfaces[i]; ++i) {
    const size_t length = strlen(kind->interfaces[i]);
    if (faulty("component.longer_interface") ? strncmp(id, kind->interfaces[i], length) == 0
                                             : strcmp(id, kind->interfaces[i]) == 0)
      return kind->table(id);
  }
  return faulty("component.unknown_interface") && strstr(id, "nobody") ? kind : NULL;
}

static void destroy(void* self) {
  faulty_instance_t* instance = self;
  if (!faulty("component.prepare_cycles")) free(instance->made);
  faulty_forget();
  if (!faulty("component.cycles")) free(instance);
}

static gesso_status_t create(const gesso_plugin_t* plugin, const gesso_host_t* host, const char* id,
                             gesso_component_t** out, gesso_error_t* error) {
  (void)plugin;
  (void)host;
  if (!id && faulty("create.null_id")) return GESSO_STATUS_OK;
  int kind = -1;
  for (int i = 0; id && faulty_kinds[i]; ++i) {
    const char* own = faulty_kinds[i]->id;
    if (faulty("create.longer_id") ? strncmp(id, own, strlen(own)) == 0 : strcmp(id, own) == 0)
      kind = i;
  }
  if (kind < 0) {
    static const char text[] = "org.gesso.faulty has no such component";
    static gesso_component_t nothing;
    if (faulty("create.keeps_table")) table.vendor = "Somebody else";
    if (faulty("create.out_untouched")) *out = &nothing;
    if (faulty("create.unknown_id")) return faulty_fail(error, GESSO_STATUS_INVALID_ARGUMENT, text);
    if (faulty("create.text")) {
      if (error) error->status = GESSO_STATUS_NOT_FOUND;
      return GESSO_STATUS_NOT_FOUND;
    }
    if (faulty("create.without_error") && !error && id) __builtin_trap();
    if (faulty("create.no_room") && error && error->capacity == 0) __builtin_trap();
    if (faulty("create.short_error") && error && error->capacity == 8) {
      error->length = sizeof text - 1;
      memcpy(error->text, text, 12);
      return GESSO_STATUS_NOT_FOUND;
    }
    return faulty_fail(error, GESSO_STATUS_NOT_FOUND, text);
  }
  faulty_instance_t* instance = calloc(1, sizeof *instance);
  if (!instance) return faulty_fail(error, GESSO_STATUS_OUT_OF_MEMORY, "out of memory");
  instance->kind = faulty_kinds[kind];
  instance->host = host;
  instance->component.struct_size =
      faulty("component.table") ? 5000 : (uint32_t)sizeof instance->component;
  instance->component.self = instance;
  instance->component.desc = &descriptors[faulty("component.knows_itself") ? 0 : kind];
  instance->component.prepare = prepare;
  instance->component.get_interface = get_interface;
  instance->component.destroy = destroy;
  *out = &instance->component;
  return GESSO_STATUS_OK;
}

static const void* plugin_interface(const gesso_plugin_t* plugin, const char* id) {
  (void)id;
  return faulty("table.unknown_interface") ? plugin : NULL;
}
static void plugin_shutdown(const gesso_plugin_t* plugin) { (void)plugin; }

static void describe(void) {
  static const gesso_param_t param = {sizeof param, 99, "odd", "", NULL, NULL, NULL, NULL, NULL};
  static const gesso_param_t* const params[] = {&param};
  int count = 0;
  for (; faulty_kinds[count]; ++count) {
    gesso_component_desc_t* d = &descriptors[count];
    d->struct_size = sizeof *d;
    d->id = faulty_kinds[count]->id;
    d->kind = faulty_kinds[count]->kind;
    d->name = "Faulty";
    d->version = "1.0.0";
    d->summary = "Has one fault";
    d->interfaces = faulty_kinds[count]->interfaces;
    components[count] = d;
  }
  table.struct_size = sizeof table;
  table.abi_minor = GESSO_ABI_MINOR;
  table.id = "org.gesso.faulty";
  table.version = "1.0.0";
  table.vendor = "Gesso";
  table.license = "Apache-2.0";
  table.components = components;
  table.n_components = (uint64_t)count;
  table.create = create;
  table.get_interface = plugin_interface;
  table.shutdown = plugin_shutdown;
  if (faulty("table.size")) table.struct_size = 5000;
  if (faulty("table.abi_minor")) table.abi_minor = 77;
  if (faulty("table.id")) table.id = "Faulty";
  if (faulty("table.texts")) table.vendor = "";
  if (faulty("table.functions")) table.shutdown = NULL;
  if (faulty("table.components")) ++table.n_components;
  if (faulty("table.descriptor_sizes")) descriptors[1].struct_size = 5000;
  if (faulty("table.descriptor_texts")) descriptors[1].summary = "";
  if (faulty("table.descriptor_versions")) descriptors[1].version = "new";
  if (faulty("table.unique_ids")) components[table.n_components++] = &descriptors[0];
  if (faulty("table.params")) descriptors[1].params = params, descriptors[1].n_params = 1;
  if (faulty("table.like_manifest")) descriptors[2].kind = "composer";
  if (faulty("table.version_like_manifest")) table.version = "2.0.0";
}

static void __attribute__((constructor)) begin(void) {
  static void* volatile kept;
  if (faulty("load.leaves_process")) faulty_disturb();
  if (faulty("load.cycles")) kept = malloc(4096), (void)kept;
  if (faulty("load.is_fast")) {
    const clock_t start = clock();
    while (clock() - start < CLOCKS_PER_SEC * 6 / 10) continue;
  }
}

gesso_status_t gesso_plugin_entry_1(const gesso_host_t* host, const gesso_plugin_t** plugin,
                                    gesso_error_t* error) {
  static gesso_plugin_t other;
  static int calls = 0;
  ++calls;
  if (faulty("load.longer_host") && host->struct_size != sizeof *host) {
    return faulty_fail(error, GESSO_STATUS_INCOMPATIBLE, "another size");
  }
  uint32_t minor;
  if (gesso_negotiate(host, &minor)) {
    return faulty_fail(error, GESSO_STATUS_INCOMPATIBLE, "another ABI");
  }
  if (faulty("load.newer_host") && host->abi_minor > GESSO_ABI_MINOR) {
    return faulty_fail(error, GESSO_STATUS_INCOMPATIBLE, "another minor");
  }
  if (faulty("load.entry_succeeds")) {
    return faulty_fail(error, GESSO_STATUS_DENIED, "it does not want to");
  }
  if (faulty("load.entry_leaves_process")) faulty_disturb();
  if (calls == 1) describe();
  *plugin = &table;
  if (faulty("load.entry_twice") && calls == 2) other = table, *plugin = &other;
  return GESSO_STATUS_OK;
}

/* Faults of the library itself, each built into one of its own. */
#ifdef FAULTY_EXPORTS
GESSO_EXPORT int faulty_second(void);
int faulty_second(void) { return 0; }
#endif
#ifdef FAULTY_IMPORT
#define TEXT_OF(name) #name
#define SYMBOL(name) TEXT_OF(name)
extern int faulty_imported(void) __asm__(SYMBOL(FAULTY_IMPORT));
int faulty_import(void);
int faulty_import(void) { return faulty_imported(); }
#endif
