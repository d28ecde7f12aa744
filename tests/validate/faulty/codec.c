/* Latents are every eighth pixel, again and again; pixels are latents, eight times as large. */
#include <gesso/kind/codec.h>
#include <gesso/kind/text_encoder.h>

#include "module.h"

enum { CHANNELS = 16, CELL = 8 };

/* Nearest neighbours of another size. */
static gesso_tensor_t* resized(const DLTensor* in, int64_t channels, int64_t height, int64_t width,
                               int64_t cell, int is_smaller) {
  const int64_t shape[] = {channels, height, width};
  gesso_tensor_t* out = faulty_make(kDLFloat, 3, shape);
  for (int64_t i = 0; i < faulty_count(&out->dl_tensor); ++i) {
    int64_t x = i % width, y = i / width % height, c = i / width / height % in->shape[0];
    x = is_smaller ? x * cell % in->shape[2] : x / cell;
    y = is_smaller ? y * cell : y / cell;
    faulty_floats(out)[i] = (float)faulty_get(in, (c * in->shape[1] + y) * in->shape[2] + x);
  }
  return out;
}

static gesso_status_t encode(const faulty_part_t* run) {
  const DLTensor* in = faulty_input(run, 0);
  const int64_t width = in->shape[2] / CELL + (faulty("codec.shapes") ? 1 : 0);
  return faulty_put(run, 0, run->item, resized(in, CHANNELS, in->shape[1] / CELL, width, CELL, 1));
}

static gesso_status_t decode(const faulty_part_t* run) {
  const DLTensor* in = faulty_input(run, 0);
  return faulty_put(run, 0, run->item,
                    resized(in, 3, in->shape[1] * CELL, in->shape[2] * CELL, CELL, 0));
}

static void geometry(void* self, uint32_t* channels, uint32_t* pixels_per_cell) {
  (void)self;
  *channels = CHANNELS;
  *pixels_per_cell = faulty("codec.geometry") ? 0 : CELL;
}

static int32_t preview(void* self, float* weight, float* bias) {
  const int more = faulty("codec.preview") ? 1 : 0;
  (void)self;
  for (int i = 0; i < CHANNELS * 3 + more; ++i) weight[i] = 0.1f;
  for (int i = 0; i < 3; ++i) bias[i] = 0;
  return 1;
}

static const void* table(const char* id) {
  static const gesso_port_t pixels =
      FAULTY_PORT(GESSO_PORT_PIXELS, GESSO_PORT_PER_ITEM, "3 H W", "f32");
  static const gesso_port_t latents =
      FAULTY_PORT(GESSO_PORT_LATENTS, GESSO_PORT_PER_ITEM, "C h w", "f32");
  static const gesso_port_t *const a[] = {&pixels}, *const b[] = {&latents};
  static const faulty_op_t there = FAULTY_OP(GESSO_OP_ENCODE, 1, a, 1, b, 0, encode);
  static const faulty_op_t back = FAULTY_OP(GESSO_OP_DECODE, 1, b, 1, a, 0, decode);
  static const gesso_op_t* const ops[] = {&there.description, &back.description};
  static const gesso_module_t module = FAULTY_MODULE(2, ops);
  static const gesso_codec_t codec = {sizeof codec, 0, geometry, preview};
  return strcmp(id, GESSO_CODEC_ID) == 0 ? (const void*)&codec : (const void*)&module;
}

const faulty_kind_t faulty_codec = {
    "org.gesso.faulty.codec", "codec", {GESSO_MODULE_ID, GESSO_CODEC_ID, NULL}, table, NULL};
