/* The smallest host application: one picture.
 *
 *   cc paint.c $(pkg-config --cflags --libs gesso) -o paint
 *   ./paint emoji.toml "a red apple" apple.png
 */
#include <gesso/engine.h>
#include <stdio.h>

static char text[4096];
static gesso_error_t error = GESSO_ERROR_INIT(text, sizeof text);

static void on_event(void* user, gesso_job_t* job, const gesso_event_t* event) {
  (void)user;
  (void)job;
  if (event->type == GESSO_EVENT_STEP) {
    fprintf(stderr, "%s %d of %d\n", event->stage, (int)event->step, (int)event->total);
  }
}

/* Takes the pictures of a job one by one; here it makes a single one. */
static gesso_status_t save_all(gesso_job_t* job, const char* path) {
  gesso_status_t status;
  gesso_image_t* image = NULL;
  while ((status = gesso_job_next(job, &image, &error)) == GESSO_STATUS_OK && image) {
    status = gesso_image_save(image, path, &error);
    gesso_image_release(image);
    if (status != GESSO_STATUS_OK) break;
  }
  return status;
}

static gesso_status_t paint(gesso_pipeline_t* pipeline, const char* prompt, const char* path) {
  gesso_value_t prompt_value = {"prompt", GESSO_VALUE_TEXT, 1, {0}};
  prompt_value.u.t = prompt;
  const gesso_request_t request = {sizeof request, 1, &prompt_value, NULL, 0};
  const gesso_job_callbacks_t callbacks = {sizeof callbacks, 0, on_event, NULL};
  gesso_job_t* job = NULL;
  gesso_status_t status = gesso_generate(pipeline, &request, &callbacks, &job, &error);
  if (status == GESSO_STATUS_OK) status = save_all(job, path);
  gesso_job_release(job);
  return status;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: paint PIPELINE.toml PROMPT PICTURE.png\n");
    return 2;
  }
  gesso_engine_t* engine = NULL;
  gesso_pipeline_t* pipeline = NULL;
  gesso_status_t status = gesso_engine_create(NULL, &engine, &error);
  if (status == GESSO_STATUS_OK) {
    status = gesso_pipeline_load(engine, argv[1], NULL, 0, &pipeline, &error);
  }
  if (status == GESSO_STATUS_OK) status = paint(pipeline, argv[2], argv[3]);
  if (status != GESSO_STATUS_OK) fprintf(stderr, "paint: %s\n", text);
  gesso_pipeline_release(pipeline); /* NULL is allowed */
  gesso_engine_destroy(engine);
  return status == GESSO_STATUS_OK ? 0 : 1;
}
