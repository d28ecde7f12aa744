#define _GNU_SOURCE
#include "module.h"

#include <time.h>

typedef struct made {
  gesso_tensor_t tensor;
  int64_t shape[4], strides[4];
  float* data;
} made_t;

/* Of each thread: instances on other threads are no fault. */
static _Thread_local float* last;              /* what was given away last and lives still */
static _Thread_local void *failed, *cancelled; /* instances that did so last */

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

int64_t faulty_count(const DLTensor* tensor) {
  int64_t count = 1;
  for (int32_t i = 0; i < tensor->ndim; ++i) count *= tensor->shape[i];
  return count;
}

double faulty_get(const DLTensor* tensor, int64_t n) {
  int64_t place = 0, rest = n;
  for (int32_t i = tensor->ndim; i-- > 0; rest /= tensor->shape[i])
    place += rest % tensor->shape[i] * tensor->strides[i];
  if (faulty("module.strided")) place = n;
  const char* at = (const char*)tensor->data + tensor->byte_offset;
  float real;
  int64_t whole;
  if (tensor->dtype.code == kDLInt) return memcpy(&whole, at + place * 8, 8), (double)whole;
  return memcpy(&real, at + place * 4, 4), (double)real;
}

gesso_tensor_t* faulty_make(DLDataTypeCode code, int32_t ndim, const int64_t* shape) {
  made_t* made = calloc(1, sizeof *made);
  int64_t count = 1;
  for (int32_t i = ndim; i-- > 0; count *= shape[i]) {
    made->shape[i] = shape[i];
    made->strides[i] = count;
  }
  made->data = calloc((size_t)count + 1, code == kDLInt ? 8 : 4);
  gesso_tensor_t* t = &made->tensor;
  t->version.major = faulty("module.dlpack") ? 9 : DLPACK_MAJOR_VERSION;
  t->version.minor = DLPACK_MINOR_VERSION;
  t->manager_ctx = made;
  t->deleter = release;
  t->dl_tensor.data = made->data;
  t->dl_tensor.device.device_type = kDLCPU;
  t->dl_tensor.ndim = ndim;
  t->dl_tensor.dtype.code = (uint8_t)code;
  t->dl_tensor.dtype.bits = code == kDLInt ? 64 : 32;
  t->dl_tensor.dtype.lanes = 1;
  t->dl_tensor.shape = made->shape;
  t->dl_tensor.strides = made->strides;
  return t;
}

float* faulty_floats(gesso_tensor_t* tensor) { return tensor->dl_tensor.data; }

gesso_status_t faulty_refuse(const gesso_call_t* call, const char* text) {
  if (!call->error && faulty("module.without_error")) __builtin_trap();
  return faulty_fail(call->error, GESSO_STATUS_INVALID_ARGUMENT, text);
}

const gesso_value_t* faulty_value(const gesso_run_t* run, const char* key) {
  for (uint64_t i = 0; i < run->n_values; ++i)
    if (strcmp(run->values[i].key, key) == 0) return &run->values[i];
  return NULL;
}

const DLTensor* faulty_input(const faulty_part_t* run, uint32_t port) {
  for (uint32_t i = 0; i < run->run->inputs->count; ++i) {
    const gesso_item_t* item = &run->run->inputs->items[i];
    if (item->port == port && (item->index < 0 || item->index == run->item))
      return &item->tensor->dl_tensor;
  }
  return NULL;
}

gesso_status_t faulty_put(const faulty_part_t* run, uint32_t port, int32_t index,
                          gesso_tensor_t* tensor) {
  static const float zero = 0;
  const DLTensor* t = &tensor->dl_tensor;
  if (t->dtype.code == kDLFloat && faulty_count(t) > 0) {
    float* data = last = faulty_floats(tensor);
    data[0] += run->shift;
    if (faulty("module.finite")) data[0] = 1 / zero;
  }
  if (faulty("module.outputs")) index = -1;
  const gesso_status_t status = run->run->outputs->accept(run->run->outputs, port, index, tensor);
  return faulty("module.sink_refuses") ? GESSO_STATUS_OK : status;
}

static int32_t rank_of(const char* dims) {
  int32_t rank = 1;
  for (; *dims; ++dims) rank += *dims == ' ';
  return rank;
}

/* Tensors against their ports. `*done`: the answer is known. */
static gesso_status_t check(const gesso_call_t* call, const gesso_op_t* op, const gesso_run_t* run,
                            void* self, int* done) {
  *done = 1;
  for (uint32_t port = 0; port < op->n_inputs; ++port) {
    int found = (op->inputs[port]->flags & GESSO_PORT_OPTIONAL) != 0;
    for (uint32_t i = 0; i < run->inputs->count; ++i) {
      if (run->inputs->items[i].port != port) continue;
      const DLTensor* t = &run->inputs->items[i].tensor->dl_tensor;
      found = 1;
      if (t->ndim != rank_of(op->inputs[port]->dims))
        return faulty("module.wrong_rank") ? GESSO_STATUS_OK : faulty_refuse(call, "another rank");
      if ((t->dtype.code == kDLInt) != (op->inputs[port]->dtypes[0] == 'i') || t->dtype.bits < 32)
        return faulty("module.wrong_dtype") ? GESSO_STATUS_OK : faulty_refuse(call, "another type");
      if (t->ndim == 3 && t->shape[1] % 2 && faulty("module.odd_sizes"))
        return GESSO_STATUS_INTERNAL;
      if (t->ndim == 3 && t->shape[1] == 0 && faulty("module.zero_sizes")) __builtin_trap();
    }
    if (found) continue;
    failed = self;
    return faulty("module.missing_input") ? GESSO_STATUS_OK
                                          : faulty_refuse(call, "an input is missing");
  }
  *done = 0;
  return GESSO_STATUS_OK;
}

/* True when another thread was inside at the same time. */
static int disturbed(void) {
  static _Atomic int inside;
  const int found = inside;
  if (!faulty("module.threads")) return 0;
  const struct timespec pause = {0, 3000000};
  inside = 1;
  nanosleep(&pause, NULL);
  inside = 0;
  return found;
}

static uint32_t items_of(const faulty_op_t* op, const gesso_run_t* run) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < run->inputs->count; ++i) count += run->inputs->items[i].port == 0;
  return op->once ? 1 : count;
}

gesso_status_t faulty_run(void* self, const gesso_call_t* call, const gesso_run_t* run) {
  static _Atomic int runs = 0;
  ++runs;
  faulty_instance_t* instance = self;
  const gesso_module_t* module = instance->kind->table(GESSO_MODULE_ID);
  if (run->op >= module->n_ops)
    return faulty("module.unknown_operation") ? GESSO_STATUS_OK
                                              : faulty_refuse(call, "no such operation");
  if (faulty("module.runs")) return faulty_refuse(call, "it does not want to");
  if (faulty("module.leaves_process")) faulty_disturb();
  float shift = disturbed() ? 0.01f : 0;
  if (call->cancelled(call) && !faulty("module.cancel")) {
    cancelled = self;
    return faulty_fail(call->error, GESSO_STATUS_CANCELLED, "cancelled");
  }
  const faulty_op_t* op = (const faulty_op_t*)module->ops[run->op];
  int done;
  gesso_status_t status = check(call, &op->description, run, self, &done);
  if (done) return status;
  const uint32_t count = items_of(op, run);
  if (faulty("module.repeats")) shift = (float)(runs % 2) * 0.01f;
  if (faulty("module.batch") && count > 1) shift = 0.01f;
  if (faulty("module.after_failure") && failed == self) shift = 0.01f;
  if (faulty("module.after_cancel") && cancelled == self) shift = 0.01f;
  for (uint32_t i = 0; i < count && status == GESSO_STATUS_OK; ++i) {
    const faulty_part_t part = {instance, call, run, (int32_t)i, shift};
    status = op->body(&part);
  }
  for (uint32_t i = 0; i < run->inputs->count; ++i) {
    gesso_tensor_t* in = run->inputs->items[i].tensor;
    if (faulty("module.inputs_kept")) *((char*)in->dl_tensor.data + in->dl_tensor.byte_offset) ^= 1;
    if (faulty("module.inputs_borrowed")) in->deleter(in);
  }
  return status;
}

gesso_status_t faulty_estimate(void* self, const gesso_call_t* call, const gesso_run_t* run,
                               gesso_estimate_t* out) {
  (void)self, (void)run;
  if (faulty("module.estimates")) return faulty_refuse(call, "no estimate today");
  out->peak_bytes = 4096;
  if (out->struct_size >= sizeof *out || faulty("module.short_estimate")) out->flops = 1;
  return GESSO_STATUS_OK;
}
