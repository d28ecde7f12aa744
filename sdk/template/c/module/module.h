/* Float32 tensors at the ports of an operation. */
#ifndef MODULE_H
#define MODULE_H

#include "plugin.h"

/* Inputs against ports: what is required is there, has the right number of extents, and is float32.
 * INVALID_ARGUMENT tells what is not so. */
gesso_status_t check_inputs(const gesso_op_t* op, const gesso_run_t* run, gesso_error_t* error);

/* How many tensors there are at an input, and the one of an item; index -1: of the whole batch.
 * Borrowed until the run returns; NULL: there is none. */
uint32_t count_items(const gesso_run_t* run, uint32_t port);
const DLTensor* input(const gesso_run_t* run, uint32_t port, int32_t index);

int64_t count_numbers(const DLTensor* tensor);
/* The n-th number, row by row, in whatever layout the host keeps it. */
float number(const DLTensor* tensor, int64_t n);

/* A tensor for a sink, and its numbers, row by row. NULL: out of memory. */
gesso_tensor_t* make_tensor(int32_t ndim, const int64_t* shape);
float* numbers(gesso_tensor_t* tensor);
/* Gives it away, also when it fails. NULL is OUT_OF_MEMORY. */
gesso_status_t put(const gesso_run_t* run, uint32_t port, int32_t index, gesso_tensor_t* tensor,
                   gesso_error_t* error);

#endif
