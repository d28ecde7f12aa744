#include "c_program.h"

#include <stdio.h>
#include <string.h>

struct counts {
  int steps, images, ends;
};

static void GESSO_CALL on_event(void* user, gesso_job_t* job, const gesso_event_t* event) {
  struct counts* counts = user;
  (void)job;
  counts->steps += event->type == GESSO_EVENT_STEP;
  counts->images += event->type == GESSO_EVENT_IMAGE && event->image != NULL;
  counts->ends += event->type == GESSO_EVENT_END && event->status == GESSO_STATUS_OK;
}

#define TRY(call)                  \
  if ((call) != GESSO_STATUS_OK) { \
    return __LINE__;               \
  }

int run_c_program(gesso_engine_t* engine, const char* folder, char* text, uint32_t capacity) {
  gesso_error_t error = GESSO_ERROR_INIT(text, capacity);
  gesso_pipeline_t* pipeline = NULL;
  TRY(gesso_pipeline_load_text(engine, "variant = \"toy\"\n", "toy.toml", NULL, NULL, 0, &pipeline,
                               &error))

  const int64_t seeds[] = {7, 8};
  gesso_value_t values[2];
  memset(values, 0, sizeof values);
  values[0].key = "prompt";
  values[0].type = GESSO_VALUE_TEXT;
  values[0].count = 1;
  values[0].u.t = "a red apple";
  values[1].key = "seed";
  values[1].type = GESSO_VALUE_INTS;
  values[1].count = 2;
  values[1].u.is = seeds;
  const gesso_request_t request = {(uint32_t)sizeof request, 2, values, NULL, 0};

  struct counts counts = {0, 0, 0};
  const gesso_job_callbacks_t callbacks = {(uint32_t)sizeof callbacks, 0, on_event, &counts};
  gesso_job_t* job = NULL;
  TRY(gesso_generate(pipeline, &request, &callbacks, &job, &error))

  gesso_image_t* image = NULL;
  int n_images = 0;
  for (;;) {
    char path[4096];
    TRY(gesso_job_next(job, &image, &error))
    if (image == NULL) break;
    snprintf(path, sizeof path, "%s/%d.png", folder, n_images++);
    TRY(gesso_image_save(image, path, &error))
    gesso_image_release(image);
  }
  TRY(gesso_job_wait(job, 0, &error))
  gesso_job_release(job);
  gesso_pipeline_release(pipeline);
  if (n_images != 2 || counts.images != 2 || counts.steps != 3 || counts.ends != 1) return __LINE__;
  return 0;
}
