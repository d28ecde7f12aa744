/* A preprocessor: the picture in negative. */
#include <gesso/kind/codec.h>
#include <gesso/kind/preprocessor.h>
#include <string.h>

#include "module.h"

static const gesso_port_t pixels = {sizeof pixels, GESSO_PORT_PER_ITEM, GESSO_PORT_PIXELS, "3 H W",
                                    "f32"};
static const gesso_port_t* const ports[] = {&pixels}; /* in and out, from -1 to 1 */
static const gesso_op_t process = {sizeof process, 1, 1, 0, GESSO_OP_PROCESS, ports, ports, NULL};

static gesso_status_t process_one(const gesso_run_t* run, int32_t item, gesso_error_t* error) {
  const DLTensor* from = input(run, 0, item);
  if (!from) return fail(error, GESSO_STATUS_INVALID_ARGUMENT, "pixels are not numbered from 0");
  if (from->shape[0] != 3)
    return fail(error, GESSO_STATUS_INVALID_ARGUMENT, "pixels: expected [3, H, W]");
  gesso_tensor_t* map = make_tensor(3, from->shape);
  for (int64_t i = 0; map && i < count_numbers(from); ++i) numbers(map)[i] = -number(from, i);
  return put(run, 0, item, map, error);
}

static gesso_status_t run_operation(void* self, const gesso_call_t* call, const gesso_run_t* run) {
  (void)self;
  if (run->op != 0) return fail(call->error, GESSO_STATUS_INVALID_ARGUMENT, "no such operation");
  gesso_status_t status = check_inputs(&process, run, call->error);
  const uint32_t count = count_items(run, 0);
  for (uint32_t i = 0; i < count && status == GESSO_STATUS_OK; ++i) {
    if (call->cancelled(call)) return fail(call->error, GESSO_STATUS_CANCELLED, "cancelled");
    status = process_one(run, (int32_t)i, call->error);
  }
  return status;
}

static const gesso_op_t* const operations[] = {&process};
static const gesso_module_t module = {sizeof module, 1, operations, run_operation, NULL};

static const char* const interfaces[] = {GESSO_MODULE_ID, NULL};
const gesso_component_desc_t my_plugin_description = {sizeof my_plugin_description,
                                                      0,
                                                      "org.example.my_plugin.preprocessor",
                                                      "preprocessor",
                                                      "MyPlugin",
                                                      "1.0.0",
                                                      "The picture in negative",
                                                      interfaces,
                                                      NULL};

gesso_status_t my_plugin_prepare(instance_t* instance, const gesso_call_t* call,
                                 const gesso_setup_t* setup) {
  (void)instance, (void)call, (void)setup;
  return GESSO_STATUS_OK;
}

const void* my_plugin_interface(const char* id) {
  return strcmp(id, GESSO_MODULE_ID) == 0 ? &module : NULL;
}
