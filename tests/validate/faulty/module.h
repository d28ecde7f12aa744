/* What modules in C have in common: inputs that are held against their ports, results, and the
 * faults "module.*". */
#ifndef FAULTY_MODULE_H
#define FAULTY_MODULE_H

#include "faulty.h"

/* A run under way, or the part of it that makes one item. */
typedef struct faulty_part {
  faulty_instance_t* instance;
  const gesso_call_t* call;
  const gesso_run_t* run;
  int32_t item;
  float shift; /* added to a result that is to be wrong */
} faulty_part_t;

typedef struct faulty_op {
  gesso_op_t description; /* first: a module's table points here */
  int once;               /* `body` makes all results; else it is called for each item */
  gesso_status_t (*body)(const faulty_part_t* run);
} faulty_op_t;

#define FAULTY_PORT(name, flags, dims, dtypes) \
  { sizeof(gesso_port_t), flags, name, dims, dtypes }
#define FAULTY_OP(name, n_inputs, inputs, n_outputs, outputs, once, body) \
  { {sizeof(gesso_op_t), n_inputs, n_outputs, 0, name, inputs, outputs, NULL}, once, body }
#define FAULTY_MODULE(n_ops, ops) \
  { sizeof(gesso_module_t), n_ops, ops, faulty_run, faulty_estimate }

gesso_status_t faulty_run(void* self, const gesso_call_t* call, const gesso_run_t* run);
gesso_status_t faulty_estimate(void* self, const gesso_call_t* call, const gesso_run_t* run,
                               gesso_estimate_t* out);

/* The tensor of this item at an input, or the one of the whole batch; NULL: there is none. */
const DLTensor* faulty_input(const faulty_part_t* run, uint32_t port);
gesso_status_t faulty_put(const faulty_part_t* run, uint32_t port, int32_t index,
                          gesso_tensor_t* tensor);
gesso_status_t faulty_refuse(const gesso_call_t* call, const char* text);
const gesso_value_t* faulty_value(const gesso_run_t* run, const char* key); /* or NULL */

int64_t faulty_count(const DLTensor* tensor);
double faulty_get(const DLTensor* tensor, int64_t n); /* the n-th number, row by row */
/* Zeros; 32 bits for kDLFloat, 64 for kDLInt. */
gesso_tensor_t* faulty_make(DLDataTypeCode code, int32_t ndim, const int64_t* shape);
float* faulty_floats(gesso_tensor_t* tensor);

#endif
