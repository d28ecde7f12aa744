/* Plugins of the application itself, without a file. Not part of gesso/engine.h: most applications
 * need nothing of the plugin side. */
#ifndef GESSO_ENGINE_REGISTER_H
#define GESSO_ENGINE_REGISTER_H

#include "../plugin.h"
#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [exclusive] A plugin that is statically linked, or in a language that makes its tables at run
 * time. `manifest` is the text of a manifest without library and variants; it is copied. `entry`
 * does what a library's exported function would; it and its tables live until the process ends.
 * Pipelines that are loaded afterwards can use it. Nothing else runs in this engine meanwhile. */
GESSO_API gesso_status_t GESSO_CALL gesso_engine_register(gesso_engine_t* engine,
                                                          const char* manifest,
                                                          gesso_plugin_entry_t entry,
                                                          gesso_error_t* error);

#ifdef __cplusplus
}
#endif
#endif /* GESSO_ENGINE_REGISTER_H */
