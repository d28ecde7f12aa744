/* Updates of rank 1 for two targets; the first feature fills A, the second B. */
#include <gesso/kind/codec.h>
#include <gesso/kind/delta_generator.h>
#include <gesso/kind/image_encoder.h>
#include <gesso/kind/text_encoder.h>

#include "module.h"

enum { TARGETS = 2, WIDTH = 8 };

static const gesso_target_t right[TARGETS] = {{"layers.0", 4, 6}, {"layers.1", 5, 7}};
static const gesso_target_t wrong[TARGETS] = {{"layers.0", 4, 6}, {"layers.0", 5, 7}};

static gesso_tensor_t* filled(int64_t rows, int64_t columns, float value) {
  const int64_t shape[] = {rows, columns};
  gesso_tensor_t* out = faulty_make(kDLFloat, 2, shape);
  for (int64_t i = 0; i < rows * columns; ++i) faulty_floats(out)[i] = value;
  return out;
}

static gesso_status_t encode(const faulty_part_t* run) {
  static const int64_t shape[] = {WIDTH};
  const DLTensor* pixels = faulty_input(run, 0);
  gesso_tensor_t* out = faulty_make(kDLFloat, 1, shape);
  for (int64_t i = 0; i < WIDTH && i < faulty_count(pixels); ++i)
    faulty_floats(out)[i] = (float)faulty_get(pixels, i);
  return faulty_put(run, 0, run->item, out);
}

static gesso_status_t generate(const faulty_part_t* run) {
  const DLTensor* features = faulty_input(run, 0);
  gesso_status_t status = GESSO_STATUS_OK;
  for (int32_t i = 0; i < TARGETS && status == GESSO_STATUS_OK; ++i) {
    const int64_t out = right[i].out_features + (faulty("delta_generator.pairs") ? 1 : 0);
    status = faulty_put(run, 0, i, filled(1, right[i].in_features, (float)faulty_get(features, 0)));
    if (status == GESSO_STATUS_OK)
      status = faulty_put(run, 1, i, filled(out, 1, (float)faulty_get(features, 1)));
  }
  return status;
}

static gesso_status_t targets(void* self, const gesso_target_t** out, uint64_t* count,
                              gesso_error_t* error) {
  (void)self, (void)error;
  *out = faulty("delta_generator.targets") ? wrong : right;
  *count = TARGETS;
  return GESSO_STATUS_OK;
}

static const void* table(const char* id) {
  static const gesso_port_t ports[] = {
      FAULTY_PORT(GESSO_PORT_PIXELS, GESSO_PORT_PER_ITEM, "3 H W", "f32"),
      FAULTY_PORT(GESSO_PORT_FEATURES, GESSO_PORT_PER_ITEM, "D", "f32"),
      FAULTY_PORT(GESSO_PORT_A, GESSO_PORT_PER_ITEM, "R In", "f32"),
      FAULTY_PORT(GESSO_PORT_B, GESSO_PORT_PER_ITEM, "Out R", "f32")};
  static const gesso_port_t *const pixels[] = {&ports[0]}, *const features[] = {&ports[1]},
                                   *const pairs[] = {&ports[2], &ports[3]};
  static const faulty_op_t first = FAULTY_OP(GESSO_OP_ENCODE, 1, pixels, 1, features, 0, encode);
  static const faulty_op_t second =
      FAULTY_OP(GESSO_OP_GENERATE, 1, features, 2, pairs, 1, generate);
  static const gesso_op_t* const ops[] = {&first.description, &second.description};
  static const gesso_module_t module = FAULTY_MODULE(2, ops);
  static const gesso_delta_generator_t generator = {sizeof generator, 0, targets};
  return strcmp(id, GESSO_DELTA_GENERATOR_ID) == 0 ? (const void*)&generator : (const void*)&module;
}

const faulty_kind_t faulty_generator = {"org.gesso.faulty.generator",
                                        "delta_generator",
                                        {GESSO_MODULE_ID, GESSO_DELTA_GENERATOR_ID, NULL},
                                        table,
                                        NULL};
