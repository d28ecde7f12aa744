/* Pictures of half the contrast. */
#include <gesso/kind/preprocessor.h>

#include "module.h"

static gesso_status_t process(const faulty_part_t* run) {
  const DLTensor* in = faulty_input(run, 0);
  const int64_t width = in->shape[2] - (faulty("preprocessor.shape") ? 1 : 0);
  const int64_t shape[] = {3, in->shape[1], width};
  gesso_tensor_t* out = faulty_make(kDLFloat, 3, shape);
  const int64_t count = faulty_count(&out->dl_tensor);
  for (int64_t i = 0; i < count; ++i)
    faulty_floats(out)[i] = (float)faulty_get(in, i / width * in->shape[2] + i % width) * 0.5f;
  if (faulty("preprocessor.range") && count) faulty_floats(out)[0] = 255;
  return faulty_put(run, 0, run->item, out);
}

static const void* table(const char* id) {
  static gesso_port_t pixels = FAULTY_PORT("pixels", GESSO_PORT_PER_ITEM, "3 H W", "f32");
  static gesso_port_t unnamed = FAULTY_PORT("", GESSO_PORT_OPTIONAL, "3 H W", "f32");
  static gesso_port_t other = FAULTY_PORT("map", GESSO_PORT_PER_ITEM, "3 H W", "f32");
  static const gesso_port_t* inputs[] = {&pixels, &unnamed};
  static const gesso_port_t* outputs[] = {&pixels};
  static faulty_op_t op = FAULTY_OP(GESSO_OP_PROCESS, 1, inputs, 1, outputs, 0, process);
  static const gesso_op_t* const ops[] = {&op.description};
  static const gesso_module_t module = FAULTY_MODULE(1, ops);
  (void)id;
  if (faulty("module.describes")) op.description.n_inputs = 2;
  if (faulty("module.has_ports")) outputs[0] = &other;
  return &module;
}

const faulty_kind_t faulty_preprocessor = {
    "org.gesso.faulty.preprocessor", "preprocessor", {GESSO_MODULE_ID, NULL}, table, NULL};
