/* prediction = w[0] * latents + w[1] * timestep / 1000, with weights, points and a way back. */
#include <gesso/ext/injection.h>
#include <gesso/ext/training.h>
#include <gesso/kind/codec.h>
#include <gesso/kind/denoiser.h>
#include <gesso/kind/text_encoder.h>

#include "module.h"

enum { PARTS = 3 };                   /* of the weight; the last one is not used */
static _Thread_local int is_training; /* this thread's run makes a tape */

static const gesso_weights_service_t* service(const faulty_instance_t* instance) {
  return instance->host->get_service(instance->host, GESSO_WEIGHTS_ID);
}

static gesso_status_t prepare(faulty_instance_t* instance, const gesso_call_t* call,
                              const gesso_setup_t* setup) {
  static const int64_t shape[] = {PARTS};
  static const gesso_weight_request_t request = {sizeof request,    0,   "mix.weight", shape, 1,
                                                 {kDLFloat, 32, 1}, NULL};
  static const gesso_weight_request_t* const requests[] = {&request};
  if (!setup->weights) {
    if (faulty("component.without_weights")) return GESSO_STATUS_INTERNAL;
    return faulty_fail(call->error, GESSO_STATUS_INVALID_ARGUMENT, "it needs a file of weights");
  }
  if (!service(instance))
    return faulty_fail(call->error, GESSO_STATUS_NOT_SUPPORTED, "this host has no weights");
  instance->weights = setup->weights;
  const gesso_status_t status =
      service(instance)->declare(setup->weights, "mix", requests, 1, &instance->unit, call->error);
  return faulty("weights.missing") ? GESSO_STATUS_OK : status;
}

static gesso_status_t read_weights(const faulty_instance_t* instance, const gesso_call_t* call,
                                   float* w) {
  const gesso_weights_service_t* s = service(instance);
  gesso_unit_view_t view = {sizeof view, 0, 0, 0, NULL};
  const gesso_status_t status = s->enter(instance->weights, call, instance->unit, &view);
  if (status != GESSO_STATUS_OK)
    return faulty("weights.refused")
               ? faulty_fail(call->error, GESSO_STATUS_INTERNAL, "something is wrong")
               : status;
  float* data = view.weights[0].parts[0]->dl_tensor.data;
  if (faulty("weights.kept")) data[PARTS - 1] += 1;
  if (faulty("weights.moved")) s->leave(instance->weights, instance->unit);
  memcpy(w, data, PARTS * sizeof *w);
  if (faulty("weights.rightly_called")) s->leave(instance->weights, instance->unit + 7);
  const int keeps = faulty("weights.balanced") && !is_training;
  if (!keeps && !faulty("weights.moved")) s->leave(instance->weights, instance->unit);
  return GESSO_STATUS_OK;
}

static gesso_status_t denoise(const faulty_part_t* run) {
  const DLTensor *latents = faulty_input(run, 0), *timestep = faulty_input(run, 1);
  float w[PARTS];
  const gesso_status_t status = read_weights(run->instance, run->call, w);
  if (status != GESSO_STATUS_OK) return status;
  int64_t shape[3];
  memcpy(shape, latents->shape, sizeof shape);
  if (faulty("denoiser.shape")) shape[1] = latents->shape[2], shape[2] = latents->shape[1];
  float shift = w[1] * (float)faulty_get(timestep, run->item) / 1000;
  if (is_training && faulty("training.like_run")) shift += 0.1f;
  gesso_tensor_t* out = faulty_make(kDLFloat, 3, shape);
  for (int64_t i = 0; i < faulty_count(latents); ++i)
    faulty_floats(out)[i] = w[0] * (float)faulty_get(latents, i) + shift;
  return faulty_put(run, 0, run->item, out);
}

static gesso_status_t points(void* self, const gesso_point_t* const** out, uint32_t* count,
                             gesso_error_t* error) {
  static const gesso_point_t first = {sizeof first, GESSO_POINT_ADD, "layers.0", NULL, 0};
  static const gesso_point_t second = {sizeof second, GESSO_POINT_ADD, "layers.1", NULL, 0};
  static const gesso_point_t* const right[] = {&first, &second};
  static const gesso_point_t* const wrong[] = {&first, &first};
  (void)self, (void)error;
  *out = faulty("injection.points") ? wrong : right;
  *count = 2;
  return GESSO_STATUS_OK;
}

typedef struct tape {
  float slope;
  char kept[4096];
} tape_t;

static gesso_status_t forward(void* self, const gesso_call_t* call, const gesso_run_t* run,
                              const gesso_train_t* train, void** out) {
  float w[PARTS];
  is_training = 1;
  gesso_status_t status = faulty_run(self, call, run);
  if (status == GESSO_STATUS_OK) status = read_weights(self, call, w);
  is_training = 0;
  if (status != GESSO_STATUS_OK) return status;
  tape_t* tape = calloc(1, sizeof *tape);
  tape->slope = w[0];
  if (faulty("training.gradient")) tape->slope *= 2;
  if (faulty("training.levels_agree") && train->checkpoint == GESSO_CHECKPOINT_BLOCKS)
    tape->slope *= 2;
  *out = tape;
  return GESSO_STATUS_OK;
}

static gesso_status_t backward(void* self, const gesso_call_t* call, void* tape,
                               const gesso_bundle_t* grads, const gesso_sink_t* input_grads,
                               const gesso_grad_sink_t* weight_grads) {
  (void)self, (void)call, (void)weight_grads;
  gesso_status_t status = GESSO_STATUS_OK;
  for (uint32_t i = 0; i < grads->count && status == GESSO_STATUS_OK; ++i) {
    const DLTensor* from = &grads->items[i].tensor->dl_tensor;
    gesso_tensor_t* to = faulty_make(kDLFloat, 3, from->shape);
    for (int64_t n = 0; n < faulty_count(from); ++n)
      faulty_floats(to)[n] = ((tape_t*)tape)->slope * (float)faulty_get(from, n);
    status = input_grads->accept(input_grads, 0, grads->items[i].index, to);
  }
  return status;
}

static uint64_t tape_bytes(void* self, const void* tape) {
  (void)self, (void)tape;
  return sizeof(tape_t);
}

static void tape_release(void* self, void* tape) {
  (void)self;
  if (!faulty("training.releases")) free(tape);
}

static const void* table(const char* id) {
  static const gesso_port_t in[] = {
      FAULTY_PORT(GESSO_PORT_LATENTS, GESSO_PORT_PER_ITEM, "C H W", "f32"),
      FAULTY_PORT(GESSO_PORT_TIMESTEP, 0, "B", "f32"),
      FAULTY_PORT(GESSO_PORT_TEXT, GESSO_PORT_PER_ITEM, "L D", "f32")};
  static const gesso_port_t out =
      FAULTY_PORT(GESSO_PORT_PREDICTION, GESSO_PORT_PER_ITEM, "C H W", "f32");
  static const gesso_port_t* const inputs[] = {&in[0], &in[1], &in[2]};
  static const gesso_port_t* const outputs[] = {&out};
  static const faulty_op_t op = FAULTY_OP(GESSO_OP_DENOISE, 3, inputs, 1, outputs, 0, denoise);
  static const gesso_op_t* const ops[] = {&op.description};
  static const gesso_module_t module = FAULTY_MODULE(1, ops);
  static const gesso_injection_t injection = {sizeof injection, 0, points};
  static const gesso_training_t training = {
      sizeof training, GESSO_CHECKPOINT_NONE | GESSO_CHECKPOINT_BLOCKS,
      forward,         backward,
      tape_bytes,      tape_release};
  if (strcmp(id, GESSO_INJECTION_ID) == 0) return &injection;
  if (strcmp(id, GESSO_TRAINING_ID) == 0) return &training;
  return &module;
}

const faulty_kind_t faulty_denoiser = {
    "org.gesso.faulty.denoiser",
    "denoiser",
    {GESSO_MODULE_ID, GESSO_INJECTION_ID, GESSO_TRAINING_ID, NULL},
    table,
    prepare};
