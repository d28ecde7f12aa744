/* A plugin: one exported function, descriptors of its components, instances by id. */
#ifndef GESSO_PLUGIN_H
#define GESSO_PLUGIN_H

#include "host.h"
#include "service/weights.h"
#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Constant, lives until `shutdown` (R4). Must equal the manifest. */
typedef struct gesso_component_desc {
  uint32_t struct_size, n_params;
  const char* id;                     /* "org.example.z_image.denoiser" */
  const char* kind;                   /* "denoiser"; the kinds are listed in docs/concepts.md */
  const char* name;                   /* for people */
  const char* version;                /* "1.0.0" */
  const char* summary;                /* one line */
  const char* const* interfaces;      /* ends with NULL */
  const gesso_param_t* const* params; /* `n_params` values that `prepare` reads */
} gesso_component_desc_t;

/* What `prepare` gets. Besides the parameters: `numerics` and `dtype` of the pipeline (TEXT), and
 * what the config.json beside the weights says, with "config." in front. Unknown ones may be
 * ignored. */
typedef struct gesso_setup {
  uint32_t struct_size, n_values;
  const gesso_value_t* values;
  gesso_weights_t* weights; /* NULL: the component was given no file */
} gesso_setup_t;

/* An instance. Life: create -> prepare (once) -> any interface -> destroy. */
typedef struct gesso_component {
  uint32_t struct_size, reserved;
  void* self;
  const gesso_component_desc_t* desc;
  /* [instance & created] Reads values, declares weights. After a failure only destroy may follow.
   */
  gesso_status_t(GESSO_CALL* prepare)(void* self, const gesso_call_t* call,
                                      const gesso_setup_t* setup);
  /* [thread-safe] A table by id, or NULL. */
  const void*(GESSO_CALL* get_interface)(void* self, const char* id);
  /* [instance & last] */
  void(GESSO_CALL* destroy)(void* self);
} gesso_component_t;

/* The plugin's table: constant, lives until `shutdown`. */
typedef struct gesso_plugin {
  uint32_t struct_size;
  uint32_t abi_minor; /* as negotiated */
  const char* id;
  const char* version;
  const char* vendor;
  const char* license;
  const gesso_component_desc_t* const* components;
  uint64_t n_components;
  /* [thread-safe; until destroy] `host` lives as long as the component. */
  gesso_status_t(GESSO_CALL* create)(const struct gesso_plugin* plugin, const gesso_host_t* host,
                                     const char* id, gesso_component_t** out, gesso_error_t* error);
  /* [thread-safe] */
  const void*(GESSO_CALL* get_interface)(const struct gesso_plugin* plugin, const char* id);
  /* [exclusive & last] After the last component was destroyed. */
  void(GESSO_CALL* shutdown)(const struct gesso_plugin* plugin);
} gesso_plugin_t;

#define GESSO_ENTRY_SYMBOL "gesso_plugin_entry_1"
typedef gesso_status_t(GESSO_CALL* gesso_plugin_entry_t)(const gesso_host_t* host,
                                                         const gesso_plugin_t** plugin,
                                                         gesso_error_t* error);

/* [thread-safe] The one export of a plugin. May be called again, with the same table every time. */
GESSO_EXPORT gesso_status_t GESSO_CALL gesso_plugin_entry_1(const gesso_host_t* host,
                                                            const gesso_plugin_t** plugin,
                                                            gesso_error_t* error);

/* [thread-safe] The minor that plugin and host both speak; INCOMPATIBLE when the host is too old
 * for the plugin. Call it first in the entry. */
static inline gesso_status_t gesso_negotiate(const gesso_host_t* host, uint32_t* minor) {
  const uint32_t oldest = GESSO_TARGET_MINOR, newest = GESSO_ABI_MINOR;
  if (host->abi_minor < oldest) return GESSO_STATUS_INCOMPATIBLE;
  *minor = host->abi_minor < newest ? host->abi_minor : newest;
  return GESSO_STATUS_OK;
}

#ifdef __cplusplus
}
#endif
#endif /* GESSO_PLUGIN_H */
