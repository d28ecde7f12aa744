/* Each token becomes a row that its id fills. */
#include <gesso/kind/text_encoder.h>

#include "module.h"

enum { WIDTH = 8 };

static gesso_status_t encode(const faulty_part_t* run) {
  const DLTensor* ids = faulty_input(run, 0);
  const int64_t shape[] = {ids->shape[0] + (faulty("text_encoder.rows") ? 1 : 0), WIDTH};
  gesso_tensor_t* out = faulty_make(kDLFloat, 2, shape);
  for (int64_t i = 0; i < ids->shape[0] * WIDTH; ++i)
    faulty_floats(out)[i] = (float)faulty_get(ids, i / WIDTH) / 256;
  return faulty_put(run, 0, run->item, out);
}

static const void* table(const char* id) {
  static const gesso_port_t ids =
      FAULTY_PORT(GESSO_PORT_TOKEN_IDS, GESSO_PORT_PER_ITEM, "L", "i64");
  static const gesso_port_t text = FAULTY_PORT(GESSO_PORT_TEXT, GESSO_PORT_PER_ITEM, "L D", "f32");
  static const gesso_port_t* const inputs[] = {&ids};
  static const gesso_port_t* const outputs[] = {&text};
  static const faulty_op_t op = FAULTY_OP(GESSO_OP_ENCODE, 1, inputs, 1, outputs, 0, encode);
  static const gesso_op_t* const ops[] = {&op.description};
  static const gesso_module_t module = FAULTY_MODULE(1, ops);
  (void)id;
  return &module;
}

const faulty_kind_t faulty_text_encoder = {
    "org.gesso.faulty.text_encoder", "text_encoder", {GESSO_MODULE_ID, NULL}, table, NULL};
