/* A job: one request under way. */
#ifndef GESSO_ENGINE_JOB_H
#define GESSO_ENGINE_JOB_H

#include "image.h"
#include "pipeline.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gesso_job gesso_job_t;

enum {
  GESSO_EVENT_STAGE = 1,   /* `stage` begins */
  GESSO_EVENT_STEP = 2,    /* `step` of `total` of `stage` is done; `seconds_left` if known */
  GESSO_EVENT_PREVIEW = 3, /* `image`: what the picture looks like so far; borrowed */
  GESSO_EVENT_IMAGE = 4,   /* result `step` of `total` is ready; `image` borrowed */
  GESSO_EVENT_WARNING = 5, /* `text` */
  GESSO_EVENT_INFO = 6,    /* `text` */
  GESSO_EVENT_END = 7      /* `status`, `text` of the error; the last event of a job */
};

typedef struct gesso_event {
  uint32_t struct_size;
  int32_t type;
  const char* stage; /* "load" "compose" "encode" "denoise" "decode"; never NULL */
  const char* text;  /* never NULL */
  uint64_t step, total;
  double seconds_left; /* negative: not known */
  const gesso_image_t* image;
  gesso_status_t status;
  uint32_t reserved;
} gesso_event_t;

typedef struct gesso_job_callbacks {
  uint32_t struct_size, reserved;
  /* [instance] Called on the job's thread, never under a lock of ours; may call any thread-safe
   * function, gesso_job_cancel among them. Not called after the job's release. */
  void(GESSO_CALL* event)(void* user, gesso_job_t* job, const gesso_event_t* event);
  void* user;
} gesso_job_callbacks_t;

/* A picture that goes into a request, such as "input_image"; of lists "edit_image.0",
 * "image2lora_images.0", "controlnet_inputs.0.image". Sealed. */
typedef struct gesso_image_input {
  const char* key;
  const gesso_image_t* image;
} gesso_image_input_t;

typedef struct gesso_request {
  uint32_t struct_size, n_values;
  const gesso_value_t* values; /* parameters; what is not given comes from file and variant */
  const gesso_image_input_t* images;
  uint64_t n_images;
} gesso_request_t;

/* [thread-safe; until release] Checks the request and starts it; jobs of one pipeline run
 * one after another. Everything in `request` is copied. A wrong request fails here, before any
 * work. `request` (nothing is set) and `callbacks` may be NULL. */
GESSO_API gesso_status_t GESSO_CALL gesso_generate(gesso_pipeline_t* pipeline,
                                                   const gesso_request_t* request,
                                                   const gesso_job_callbacks_t* callbacks,
                                                   gesso_job_t** out, gesso_error_t* error);
/* [thread-safe; until release] What a request would take, as JSON (docs/memory.md): for each of
 * `limits` (GiB; 0: none) the stages with their weights, activations, peak and seconds, and the
 * smallest limit that would do. Waits for the pipeline's jobs; not from a callback of one. */
GESSO_API gesso_status_t GESSO_CALL gesso_plan(gesso_pipeline_t* pipeline,
                                               const gesso_request_t* request, const double* limits,
                                               uint32_t n_limits, gesso_text_t** answer,
                                               gesso_error_t* error);
/* [thread-safe; until release] Makes a LoRA of the pictures "image2lora_images" and writes
 * it to `path` (.safetensors); the pipeline has a generator in the role "image2lora". No pictures
 * come out; the report tells targets and rank. */
GESSO_API gesso_status_t GESSO_CALL gesso_image2lora(gesso_pipeline_t* pipeline,
                                                     const gesso_request_t* request,
                                                     const char* path,
                                                     const gesso_job_callbacks_t* callbacks,
                                                     gesso_job_t** out, gesso_error_t* error);
/* [thread-safe; until release] Work that needs no pipeline. Kinds: "synthesize" (values
 * `variant`, `folder`, `text_layers`, `tokenizer`, `lora_rank`: full-size synthetic weights and a
 * pipeline file), "quantize" (`input`, `output`, `format`, lists `target_modules` and
 * `exclude_modules`, `architecture`: weights in another storage format), "measure" (the machine's
 * matrix product rate). The answer is in the report. */
GESSO_API gesso_status_t GESSO_CALL gesso_engine_start(gesso_engine_t* engine, const char* kind,
                                                       const gesso_request_t* request,
                                                       const gesso_job_callbacks_t* callbacks,
                                                       gesso_job_t** out, gesso_error_t* error);

/* [thread-safe; until release] The next result, waiting for it. OK and NULL: there are no more.
 * CANCELLED or the job's error when it ended so. */
GESSO_API gesso_status_t GESSO_CALL gesso_job_next(gesso_job_t* job, gesso_image_t** image,
                                                   gesso_error_t* error);
/* [thread-safe] Waits for the end; BAD_STATE when it did not come in `timeout_ms` (0: for ever),
 * else the job's own status and error. */
GESSO_API gesso_status_t GESSO_CALL gesso_job_wait(gesso_job_t* job, uint64_t timeout_ms,
                                                   gesso_error_t* error);
/* [thread-safe] Returns at once; the job ends as CANCELLED within one block's time. */
GESSO_API void GESSO_CALL gesso_job_cancel(gesso_job_t* job);
/* [thread-safe; until release] At any time: what the job was asked for, as JSON. Of gesso_generate:
 * "pictures", one table of parameters each; "seeds"; "outputs", the files that [output] of the
 * pipeline names, one per picture (nothing is written). */
GESSO_API gesso_status_t GESSO_CALL gesso_job_describe(gesso_job_t* job, gesso_text_t** answer,
                                                       gesso_error_t* error);
/* [thread-safe; until release] After the end, as JSON: seconds, seeds, memory, counters. */
GESSO_API gesso_status_t GESSO_CALL gesso_job_report(gesso_job_t* job, gesso_text_t** answer,
                                                     gesso_error_t* error);
/* [instance & last] Cancels what still runs and waits. NULL is allowed. Not from a callback. */
GESSO_API void GESSO_CALL gesso_job_release(gesso_job_t* job);

#ifdef __cplusplus
}
#endif
#endif /* GESSO_ENGINE_JOB_H */
