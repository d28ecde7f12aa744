/* An engine: plugins that were found, settings, log. Several may live in one process. */
#ifndef GESSO_ENGINE_ENGINE_H
#define GESSO_ENGINE_ENGINE_H

#include "../status.h"
#include "../value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The application side has a version of its own: MAJOR changes never within libgesso.so.MAJOR. */
#define GESSO_API_MAJOR 1
#define GESSO_API_MINOR 0

#if defined(GESSO_BUILDING_LIBRARY) || !defined(_WIN32)
#define GESSO_API GESSO_EXPORT
#else
#define GESSO_API __declspec(dllimport)
#endif

typedef struct gesso_engine gesso_engine_t;
typedef struct gesso_text gesso_text_t; /* a text that the library made; release it */

/* [thread-safe] Valid until the release. NULL is "". */
GESSO_API const char* GESSO_CALL gesso_text_data(const gesso_text_t* text);
GESSO_API void GESSO_CALL gesso_text_release(gesso_text_t* text); /* [instance & last] */

/* [thread-safe] Needs no engine. The version's text, such as "1.0.0"; numbers where not NULL. */
GESSO_API const char* GESSO_CALL gesso_version(uint32_t* api_major, uint32_t* api_minor,
                                               uint32_t* abi_major, uint32_t* abi_minor);

enum {
  GESSO_ENGINE_NO_ENVIRONMENT =
      1u, /* read no GESSO_PLUGIN_PATH, GESSO_TRUSTED_PLUGINS, GESSO_CHECK */
  GESSO_ENGINE_NO_DEFAULT_PATHS = 2u, /* only `plugin_paths` */
  GESSO_ENGINE_NO_THIRD_PARTY = 4u,   /* only plugins that came with this build */
  GESSO_ENGINE_WRITABLE_PLUGINS = 8u  /* also plugins whose files others can replace */
};

typedef struct gesso_engine_config {
  uint32_t struct_size, flags;
  const char* const* plugin_paths; /* files (.so or .gesso.toml) or folders; searched first */
  uint32_t n_plugin_paths;
  uint32_t threads; /* for computing; 0: the cores of the machine */
  /* [thread-safe] Never called under a lock of ours; may be NULL. Levels: GESSO_LOG_*. */
  void(GESSO_CALL* log)(void* user, int32_t level, const char* text);
  void* user;
  /* Which plugins may be loaded (docs/security.md): "org.example.one", "org.example.*", "shipped",
   * each alone or with "@sha256:DIGEST"; "sha256:DIGEST". None: all. */
  const char* const* trusted_plugins;
  /* Ids of plugins and components that run in a child process each (docs/isolation.md). */
  const char* const* isolated_plugins;
  uint32_t n_trusted_plugins, n_isolated_plugins;
} gesso_engine_config_t;

#define GESSO_ENGINE_CONFIG_INIT \
  { (uint32_t)sizeof(gesso_engine_config_t), 0, NULL, 0, 0, NULL, NULL, NULL, NULL, 0, 0 }

/* [thread-safe; until destroy] Reads manifests, runs no foreign code. `config` may be
 * NULL. The environment is read here only. */
GESSO_API gesso_status_t GESSO_CALL gesso_engine_create(const gesso_engine_config_t* config,
                                                        gesso_engine_t** out, gesso_error_t* error);
/* [instance & last] Cancels and waits for jobs; pipelines and jobs still held become husks that can
 * only be released. NULL is allowed. */
GESSO_API void GESSO_CALL gesso_engine_destroy(gesso_engine_t* engine);

/* [thread-safe; until release] Asks before doing; the answer is JSON (docs/reference/questions.md).
 *
 *   "plugins"          every candidate: accepted, or refused with the reason
 *   "components" id?   components with their parameters
 *   "variants" id?     variants with roles, defaults, limits and parameters
 *   "schema" what?     JSON Schema of the pipeline file ("", or a variant's id), of a "recipe" or
 *                      the "manifest"
 *   "recipe" text      a command line of DiffSynth-Studio's train.py, or a script with one, as a
 *                      recipe: {"toml", "notes"}
 *   "inspect" path     what a weights file is: tensors, dtypes, component, layout
 *   "check" path       a pipeline file or a recipe: problems and what is missing; loads nothing
 *   "doctor"           machine, libtorch, plugins */
GESSO_API gesso_status_t GESSO_CALL gesso_engine_ask(gesso_engine_t* engine, const char* question,
                                                     const char* argument, gesso_text_t** answer,
                                                     gesso_error_t* error);

#ifdef __cplusplus
}
#endif
#endif /* GESSO_ENGINE_ENGINE_H */
