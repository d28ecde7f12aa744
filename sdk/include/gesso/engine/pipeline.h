/* A pipeline: a checked TOML document with its components and weights. */
#ifndef GESSO_ENGINE_PIPELINE_H
#define GESSO_ENGINE_PIPELINE_H

#include "../value.h"
#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gesso_pipeline gesso_pipeline_t;

/* [thread-safe; until release] Parses, checks and instantiates. `overrides`: texts
 * "a.b=value", later ones win. Errors name file:line:col. On failure nothing stays loaded. */
GESSO_API gesso_status_t GESSO_CALL gesso_pipeline_load(gesso_engine_t* engine, const char* path,
                                                        const char* const* overrides,
                                                        uint32_t n_overrides,
                                                        gesso_pipeline_t** out,
                                                        gesso_error_t* error);
/* [thread-safe; until release] The same from a text. `name` stands for the file in
 * messages; relative paths are relative to `folder` (NULL: only absolute paths). */
GESSO_API gesso_status_t GESSO_CALL
gesso_pipeline_load_text(gesso_engine_t* engine, const char* text, const char* name,
                         const char* folder, const char* const* overrides, uint32_t n_overrides,
                         gesso_pipeline_t** out, gesso_error_t* error);
/* [thread-safe; until release] As JSON: variant, components, files, dtypes, policy, defaults. */
GESSO_API gesso_status_t GESSO_CALL gesso_pipeline_describe(gesso_pipeline_t* pipeline,
                                                            gesso_text_t** answer,
                                                            gesso_error_t* error);
/* [thread-safe] Adds a LoRA file: it acts from the next job on; nothing is loaded anew, and the
 * base weights stay as they are. `values`: name, scale, role, side, mode, strict, id, as in
 * [[adapters]] of a pipeline file. Waits for the jobs of the pipeline; not from a callback of one.
 * INCOMPATIBLE lists keys that match nothing. */
GESSO_API gesso_status_t GESSO_CALL gesso_pipeline_add_adapter(gesso_pipeline_t* pipeline,
                                                               const char* path,
                                                               const gesso_value_t* values,
                                                               uint32_t n_values,
                                                               gesso_error_t* error);
/* [thread-safe] The same rules; NOT_FOUND names the adapters that there are. */
GESSO_API gesso_status_t GESSO_CALL gesso_pipeline_set_adapter_scale(gesso_pipeline_t* pipeline,
                                                                     const char* name, double scale,
                                                                     gesso_error_t* error);
/* [thread-safe] Without any, pictures are what they were before the first, bit for bit. */
GESSO_API gesso_status_t GESSO_CALL gesso_pipeline_remove_adapter(gesso_pipeline_t* pipeline,
                                                                  const char* name,
                                                                  gesso_error_t* error);
/* [instance & last] Waits for its jobs. NULL is allowed. Not from a callback of one. */
GESSO_API void GESSO_CALL gesso_pipeline_release(gesso_pipeline_t* pipeline);

#ifdef __cplusplus
}
#endif
#endif /* GESSO_ENGINE_PIPELINE_H */
