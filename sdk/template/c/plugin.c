/* The plugin's table, its entry, and the life of its one component. */
#include "plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

gesso_status_t fail(gesso_error_t* error, gesso_status_t status, const char* text) {
  if (error) {
    error->status = status;
    error->length = (uint32_t)strlen(text);
    if (error->text && error->capacity) snprintf(error->text, error->capacity, "%s", text);
  }
  return status;
}

static gesso_status_t prepare(void* self, const gesso_call_t* call, const gesso_setup_t* setup) {
  return my_plugin_prepare(self, call, setup);
}

static const void* get_interface(void* self, const char* id) {
  (void)self;
  return id ? my_plugin_interface(id) : NULL;
}

static gesso_status_t create(const gesso_plugin_t* plugin, const gesso_host_t* host, const char* id,
                             gesso_component_t** out, gesso_error_t* error) {
  (void)plugin;
  if (!id || strcmp(id, my_plugin_description.id) != 0) {
    return fail(error, GESSO_STATUS_NOT_FOUND, "org.example.my_plugin has no such component");
  }
  instance_t* instance = calloc(1, sizeof *instance);
  if (!instance) return fail(error, GESSO_STATUS_OUT_OF_MEMORY, "out of memory");
  instance->host = host;
  instance->component.struct_size = sizeof instance->component;
  instance->component.self = instance;
  instance->component.desc = &my_plugin_description;
  instance->component.prepare = prepare;
  instance->component.get_interface = get_interface;
  instance->component.destroy = free;
  *out = &instance->component;
  return GESSO_STATUS_OK;
}

static const void* plugin_interface(const gesso_plugin_t* plugin, const char* id) {
  (void)plugin, (void)id;
  return NULL;
}

static void shut_down(const gesso_plugin_t* plugin) { (void)plugin; }

static const gesso_component_desc_t* const components[] = {&my_plugin_description};
static gesso_plugin_t table = {sizeof table,     0,         "org.example.my_plugin",
                               "1.0.0",          "Example", "Apache-2.0",
                               components,       1,         create,
                               plugin_interface, shut_down};

gesso_status_t gesso_plugin_entry_1(const gesso_host_t* host, const gesso_plugin_t** plugin,
                                    gesso_error_t* error) {
  if (gesso_negotiate(host, &table.abi_minor) != GESSO_STATUS_OK) {
    return fail(error, GESSO_STATUS_INCOMPATIBLE,
                "org.example.my_plugin needs a newer host; update it");
  }
  *plugin = &table;
  return GESSO_STATUS_OK;
}
