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
  static const gesso_port_t pixels = FAULTY_PORT("pixels", GESSO_PORT_PER_ITEM, "3 H W", "f32");
  static const gesso_port_t unnamed = FAULTY_PORT("", GESSO_PORT_OPTIONAL, "3 H W", "f32");
  static const gesso_port_t other = FAULTY_PORT("map", GESSO_PORT_PER_ITEM, "3 H W", "f32");
  static const gesso_port_t* const inputs[] = {&pixels, &unnamed};
  static const gesso_port_t* const outputs[] = {&pixels};
  static const gesso_port_t* const others[] = {&other};
  static const faulty_op_t good = FAULTY_OP(GESSO_OP_PROCESS, 1, inputs, 1, outputs, 0, process);
  static const faulty_op_t nameless =
      FAULTY_OP(GESSO_OP_PROCESS, 2, inputs, 1, outputs, 0, process);
  static const faulty_op_t foreign = FAULTY_OP(GESSO_OP_PROCESS, 1, inputs, 1, others, 0, process);
  static const gesso_op_t* const ops[] = {&good.description, &nameless.description,
                                          &foreign.description};
  static const gesso_module_t modules[] = {FAULTY_MODULE(1, ops), FAULTY_MODULE(1, ops + 1),
                                           FAULTY_MODULE(1, ops + 2)};
  (void)id;
  return &modules[faulty("module.describes") ? 1 : faulty("module.has_ports") ? 2 : 0];
}

const faulty_kind_t faulty_preprocessor = {
    "org.gesso.faulty.preprocessor", "preprocessor", {GESSO_MODULE_ID, NULL}, table, NULL};
