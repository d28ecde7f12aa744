/* A denoiser that knows one picture for each prompt: a flat colour.
 *
 * The velocity is d x / d sigma = (x - clean) / sigma, where `clean` is what the model believes the
 * picture to be. Put your network in the place of `believe`. */
#include <gesso/kind/codec.h>
#include <gesso/kind/denoiser.h>
#include <gesso/kind/text_encoder.h>
#include <string.h>

#include "module.h"

enum { LATENTS, TIMESTEP, TEXT, INPUTS };

static const gesso_port_t ports[] = {
    {sizeof(gesso_port_t), GESSO_PORT_PER_ITEM, GESSO_PORT_LATENTS, "C H W", "f32"},
    {sizeof(gesso_port_t), 0, GESSO_PORT_TIMESTEP, "B", "f32"},
    {sizeof(gesso_port_t), GESSO_PORT_PER_ITEM, GESSO_PORT_TEXT, "L D", "f32"},
    {sizeof(gesso_port_t), GESSO_PORT_PER_ITEM, GESSO_PORT_PREDICTION, "C H W", "f32"}};
static const gesso_port_t* const inputs[] = {&ports[LATENTS], &ports[TIMESTEP], &ports[TEXT]};
static const gesso_port_t* const outputs[] = {&ports[INPUTS]};
static const gesso_op_t denoise = {sizeof denoise,   INPUTS, 1,       0,
                                   GESSO_OP_DENOISE, inputs, outputs, NULL};

/* One number of a channel, out of one number of the text's last token. */
static float believe(const DLTensor* text, int64_t channel) {
  const int64_t rows = text->shape[0], width = text->shape[1];
  if (channel >= 3 || channel >= width || rows == 0) return 0;
  const float feature = number(text, (rows - 1) * width + channel);
  return 2 * feature / (1 + (feature < 0 ? -feature : feature));
}

static gesso_status_t denoise_one(const gesso_run_t* run, int32_t item, gesso_error_t* error) {
  const DLTensor *x = input(run, LATENTS, item), *text = input(run, TEXT, item),
                 *timesteps = input(run, TIMESTEP, -1);
  if (!x || !text || !timesteps || item >= timesteps->shape[0])
    return fail(error, GESSO_STATUS_INVALID_ARGUMENT,
                "as many latents, timesteps and texts are needed");
  const float timestep = number(timesteps, item);
  const float sigma = timestep > 1 ? timestep / 1000 : 1e-3f;
  gesso_tensor_t* velocity = make_tensor(3, x->shape);
  for (int64_t i = 0; velocity && i < count_numbers(x); ++i) {
    const int64_t channel = i / (x->shape[1] * x->shape[2]);
    numbers(velocity)[i] = (number(x, i) - believe(text, channel)) / sigma;
  }
  return put(run, 0, item, velocity, error);
}

static gesso_status_t run_operation(void* self, const gesso_call_t* call, const gesso_run_t* run) {
  (void)self;
  if (run->op != 0) return fail(call->error, GESSO_STATUS_INVALID_ARGUMENT, "no such operation");
  gesso_status_t status = check_inputs(&denoise, run, call->error);
  const uint32_t count = count_items(run, LATENTS);
  for (uint32_t i = 0; i < count && status == GESSO_STATUS_OK; ++i) {
    /* Once per block of a network. */
    if (call->cancelled(call)) return fail(call->error, GESSO_STATUS_CANCELLED, "cancelled");
    status = denoise_one(run, (int32_t)i, call->error);
  }
  return status;
}

/* What one run needs beside inputs and weights, from shapes alone. */
static gesso_status_t estimate(void* self, const gesso_call_t* call, const gesso_run_t* run,
                               gesso_estimate_t* out) {
  (void)self, (void)call;
  out->peak_bytes = 0;
  for (uint32_t i = 0; i < count_items(run, LATENTS); ++i) {
    const DLTensor* x = input(run, LATENTS, (int32_t)i);
    if (x) out->peak_bytes += (uint64_t)count_numbers(x) * sizeof(float);
  }
  return GESSO_STATUS_OK; /* a field behind peak_bytes may lie beyond out->struct_size */
}

static const gesso_op_t* const operations[] = {&denoise};
static const gesso_module_t module = {sizeof module, 1, operations, run_operation, estimate};

static const char* const interfaces[] = {GESSO_MODULE_ID, NULL};
const gesso_component_desc_t my_plugin_description = {sizeof my_plugin_description,
                                                      0,
                                                      "org.example.my_plugin.denoiser",
                                                      "denoiser",
                                                      "MyPlugin",
                                                      "1.0.0",
                                                      "A flat colour that the prompt decides",
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
