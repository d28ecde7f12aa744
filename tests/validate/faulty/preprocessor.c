/* A module: pictures of half the contrast. */
#define _GNU_SOURCE
#include <time.h>

#include "faulty.h"

typedef struct made {
  gesso_tensor_t tensor;
  int64_t shape[3], strides[3];
  float* data;
} made_t;

static float* last; /* what was given away last and lives still */

static void *failed, *cancelled; /* instances that did so last */

void faulty_forget(void) {
  failed = cancelled = NULL;
  if (last && faulty("module.outlives")) last[0] += 1;
}

static void release(gesso_tensor_t* tensor) {
  made_t* made = tensor->manager_ctx;
  if (last == made->data) last = NULL;
  if (!faulty("module.leaks_nothing")) free(made->data);
  free(made);
}

static float read(const DLTensor* t, int64_t c, int64_t y, int64_t x) {
  const char* first = (const char*)t->data + t->byte_offset;
  int64_t place = c * t->strides[0] + y * t->strides[1] + x * t->strides[2];
  if (faulty("module.strided")) place = (c * t->shape[1] + y) * t->shape[2] + x;
  float value;
  memcpy(&value, first + place * 4, 4);
  return value;
}

static gesso_tensor_t* half(const DLTensor* in, float shift) {
  static const float zero = 0;
  made_t* made = calloc(1, sizeof *made);
  const int64_t width = in->shape[2] - (faulty("preprocessor.shape") ? 1 : 0);
  const size_t count = (size_t)(3 * in->shape[1] * width);
  made->data = malloc(count * sizeof(float) + 1);
  float* to = made->data;
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < in->shape[1]; ++y)
      for (int64_t x = 0; x < width; ++x) *to++ = read(in, c, y, x) * 0.5f + shift;
  if (faulty("module.finite") && count) made->data[0] = 1 / zero;
  if (faulty("preprocessor.range") && count) made->data[0] = 255;
  const int64_t shape[] = {3, in->shape[1], width};
  const int64_t strides[] = {in->shape[1] * width, width, 1};
  memcpy(made->shape, shape, sizeof shape);
  memcpy(made->strides, strides, sizeof strides);
  gesso_tensor_t* t = &made->tensor;
  t->version.major = faulty("module.dlpack") ? 9 : DLPACK_MAJOR_VERSION;
  t->version.minor = DLPACK_MINOR_VERSION;
  t->manager_ctx = made;
  t->deleter = release;
  t->dl_tensor.data = made->data;
  t->dl_tensor.device.device_type = kDLCPU;
  t->dl_tensor.ndim = 3;
  t->dl_tensor.dtype.code = kDLFloat;
  t->dl_tensor.dtype.bits = 32;
  t->dl_tensor.dtype.lanes = 1;
  t->dl_tensor.shape = made->shape;
  t->dl_tensor.strides = made->strides;
  last = made->data;
  return t;
}

static gesso_status_t refuse(const gesso_call_t* call, const char* text) {
  if (!call->error && faulty("module.without_error")) __builtin_trap();
  return faulty_fail(call->error, GESSO_STATUS_INVALID_ARGUMENT, text);
}

static gesso_status_t run(void* self, const gesso_call_t* call, const gesso_run_t* run) {
  static int runs = 0;
  ++runs;
  if (run->op != 0 && !faulty("module.unknown_operation")) return refuse(call, "no such operation");
  if (run->op != 0) return GESSO_STATUS_OK;
  if (faulty("module.runs")) return refuse(call, "it does not want to");
  if (faulty("module.leaves_process")) faulty_disturb();
  static volatile int inside;
  const int disturbed = inside && faulty("module.threads");
  if (faulty("module.threads")) {
    const struct timespec pause = {0, 3000000};
    inside = 1;
    nanosleep(&pause, NULL);
    inside = 0;
  }
  const int asked = call->cancelled(call);
  if (asked && !faulty("module.cancel")) {
    cancelled = self;
    return faulty_fail(call->error, GESSO_STATUS_CANCELLED, "cancelled");
  }
  if (run->inputs->count == 0) {
    failed = self;
    if (!faulty("module.missing_input")) return refuse(call, "no pixels were given");
  }
  float shift = disturbed ? 0.01f : 0;
  if (faulty("module.repeats")) shift = (float)(runs % 2) * 0.01f;
  if (faulty("module.batch") && run->inputs->count > 1) shift = 0.01f;
  if (faulty("module.after_failure") && failed == self) shift = 0.01f;
  if (faulty("module.after_cancel") && cancelled == self) shift = 0.01f;
  for (uint32_t i = 0; i < run->inputs->count; ++i) {
    const gesso_item_t* item = &run->inputs->items[i];
    const DLTensor* in = &item->tensor->dl_tensor;
    if (in->ndim != 3) {
      if (!faulty("module.wrong_rank")) return refuse(call, "expected [3, H, W]");
      continue;
    }
    if (in->dtype.code != kDLFloat || in->dtype.bits != 32) {
      if (!faulty("module.wrong_dtype")) return refuse(call, "expected float32");
      continue;
    }
    if (in->shape[1] % 2 && faulty("module.odd_sizes")) return GESSO_STATUS_INTERNAL;
    if (in->shape[1] == 0 && faulty("module.zero_sizes")) __builtin_trap();
    gesso_tensor_t* out = half(in, shift);
    if (faulty("module.inputs_kept")) *(float*)((char*)in->data + in->byte_offset) += 1;
    if (faulty("module.inputs_borrowed")) item->tensor->deleter(item->tensor);
    const int32_t index = faulty("module.outputs") ? -1 : item->index;
    const gesso_status_t status = run->outputs->accept(run->outputs, 0, index, out);
    if (status != GESSO_STATUS_OK && !faulty("module.sink_refuses")) return status;
  }
  return GESSO_STATUS_OK;
}

static gesso_status_t estimate(void* self, const gesso_call_t* call, const gesso_run_t* run,
                               gesso_estimate_t* out) {
  (void)self, (void)run;
  if (faulty("module.estimates")) return refuse(call, "no estimate today");
  out->peak_bytes = 4096;
  if (out->struct_size >= sizeof *out || faulty("module.short_estimate")) out->flops = 1;
  return GESSO_STATUS_OK;
}

static const void* table(const char* id) {
  static gesso_port_t port = {sizeof port, GESSO_PORT_PER_ITEM, "pixels", "3 H W", "f32"};
  static gesso_port_t unnamed = {sizeof port, GESSO_PORT_OPTIONAL, "", "3 H W", "f32"};
  static gesso_port_t other = {sizeof port, GESSO_PORT_PER_ITEM, "map", "3 H W", "f32"};
  static const gesso_port_t* inputs[] = {&port, &unnamed};
  static const gesso_port_t* outputs[] = {&port};
  static gesso_op_t op = {sizeof op, 1, 1, 0, "process", inputs, outputs, NULL};
  static const gesso_op_t* const ops[] = {&op};
  static const gesso_module_t module = {sizeof module, 1, ops, run, estimate};
  (void)id;
  if (faulty("module.describes")) op.n_inputs = 2;
  if (faulty("module.has_ports")) outputs[0] = &other;
  return &module;
}

const faulty_kind_t faulty_preprocessor = {"preprocessor", {GESSO_MODULE_ID, NULL}, table};
