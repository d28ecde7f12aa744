#include "module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gesso_status_t refuse(gesso_error_t* error, const char* port, const char* text) {
  char told[200];
  snprintf(told, sizeof told, "input \"%s\": %s", port, text);
  return fail(error, GESSO_STATUS_INVALID_ARGUMENT, told);
}

/* "C H W" has three extents. */
static int32_t rank_of(const char* dims) {
  int32_t rank = *dims ? 1 : 0;
  for (; *dims; ++dims) rank += *dims == ' ';
  return rank;
}

static int is_float32(DLDataType type) {
  return type.code == kDLFloat && type.bits == 32 && type.lanes == 1;
}

gesso_status_t check_inputs(const gesso_op_t* op, const gesso_run_t* run, gesso_error_t* error) {
  for (uint32_t port = 0; port < op->n_inputs; ++port) {
    const gesso_port_t* wanted = op->inputs[port];
    if (count_items(run, port) == 0 && !(wanted->flags & GESSO_PORT_OPTIONAL))
      return refuse(error, wanted->name, "expected a tensor, found none");
    for (uint32_t i = 0; i < run->inputs->count; ++i) {
      if (run->inputs->items[i].port != port) continue;
      const DLTensor* found = &run->inputs->items[i].tensor->dl_tensor;
      if (found->ndim != rank_of(wanted->dims))
        return refuse(error, wanted->name, "another number of extents was expected");
      if (!is_float32(found->dtype)) return refuse(error, wanted->name, "expected float32 numbers");
    }
  }
  return GESSO_STATUS_OK;
}

uint32_t count_items(const gesso_run_t* run, uint32_t port) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < run->inputs->count; ++i) count += run->inputs->items[i].port == port;
  return count;
}

const DLTensor* input(const gesso_run_t* run, uint32_t port, int32_t index) {
  for (uint32_t i = 0; i < run->inputs->count; ++i) {
    const gesso_item_t* item = &run->inputs->items[i];
    if (item->port == port && item->index == index) return &item->tensor->dl_tensor;
  }
  return NULL;
}

int64_t count_numbers(const DLTensor* tensor) {
  int64_t count = 1;
  for (int32_t i = 0; i < tensor->ndim; ++i) count *= tensor->shape[i];
  return count;
}

float number(const DLTensor* tensor, int64_t n) {
  int64_t place = 0;
  for (int32_t i = tensor->ndim; i-- > 0; n /= tensor->shape[i])
    place += n % tensor->shape[i] * tensor->strides[i];
  float value;
  memcpy(&value, (const char*)tensor->data + tensor->byte_offset + place * 4, sizeof value);
  return value;
}

/* Tensor, shape, strides and numbers lie in one piece of memory. */
static void release(gesso_tensor_t* tensor) { free(tensor); }

gesso_tensor_t* make_tensor(int32_t ndim, const int64_t* shape) {
  int64_t count = 1;
  for (int32_t i = 0; i < ndim; ++i) count *= shape[i];
  const size_t extents = (size_t)ndim * sizeof(int64_t);
  gesso_tensor_t* tensor = calloc(1, sizeof *tensor + 2 * extents + (size_t)count * sizeof(float));
  if (!tensor) return NULL;
  DLTensor* t = &tensor->dl_tensor;
  tensor->version.major = DLPACK_MAJOR_VERSION;
  tensor->version.minor = DLPACK_MINOR_VERSION;
  tensor->deleter = release;
  t->device.device_type = kDLCPU;
  t->dtype.code = kDLFloat;
  t->dtype.bits = 32;
  t->dtype.lanes = 1;
  t->ndim = ndim;
  t->shape = (int64_t*)(tensor + 1);
  t->strides = t->shape + ndim;
  t->data = t->strides + ndim;
  memcpy(t->shape, shape, extents);
  int64_t stride = 1;
  for (int32_t i = ndim; i-- > 0; stride *= shape[i]) t->strides[i] = stride;
  return tensor;
}

float* numbers(gesso_tensor_t* tensor) { return tensor->dl_tensor.data; }

gesso_status_t put(const gesso_run_t* run, uint32_t port, int32_t index, gesso_tensor_t* tensor,
                   gesso_error_t* error) {
  if (!tensor) return fail(error, GESSO_STATUS_OUT_OF_MEMORY, "out of memory");
  const gesso_status_t status = run->outputs->accept(run->outputs, port, index, tensor);
  return status == GESSO_STATUS_OK ? status : fail(error, status, "the result was not accepted");
}
