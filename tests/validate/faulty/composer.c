/* Prompts through the tokenizer beside it; the text is its ids. */
#include <gesso/kind/composer.h>
#include <gesso/kind/text_encoder.h>
#include <gesso/kind/tokenizer.h>
#include <gesso/service/components.h>

#include "module.h"

enum { MOST = 256, WIDTH = 8 };

static gesso_status_t find_tokenizer(const faulty_part_t* run, gesso_component_t** out) {
  const gesso_host_t* host = run->instance->host;
  const gesso_components_service_t* components = host->get_service(host, GESSO_COMPONENTS_ID);
  if (!components) return faulty_refuse(run->call, "this host has no siblings");
  if (!faulty("composer.alone")) return components->find(host, "tokenizer", out, run->call->error);
  return components->find(host, "tokenizer", out, NULL);
}

static gesso_status_t compose_one(const faulty_part_t* run, const gesso_component_t* sibling,
                                  const char* prompt, int32_t item) {
  const gesso_tokenizer_t* tokenizer = sibling->get_interface(sibling->self, GESSO_TOKENIZER_ID);
  int32_t ids[MOST];
  uint64_t count = 0;
  gesso_status_t status =
      tokenizer->encode(sibling->self, prompt, strlen(prompt), ids, MOST, &count, run->call->error);
  if (status != GESSO_STATUS_OK) return status;
  if (count > MOST) count = MOST;
  const int64_t shape[] = {(int64_t)count, WIDTH};
  const int64_t told[] = {(int64_t)count - (faulty("composer.ids") ? 1 : 0)};
  gesso_tensor_t *text = faulty_make(kDLFloat, 2, shape), *out = faulty_make(kDLInt, 1, told);
  for (int64_t i = 0; i < shape[0] * WIDTH; ++i) faulty_floats(text)[i] = (float)ids[i / WIDTH];
  for (int64_t i = 0; i < told[0]; ++i) ((int64_t*)out->dl_tensor.data)[i] = ids[i];
  status = faulty_put(run, 0, item, text);
  if (status == GESSO_STATUS_OK) return faulty_put(run, 1, item, out);
  out->deleter(out);
  return status;
}

static gesso_status_t compose(const faulty_part_t* run) {
  const gesso_value_t* prompts = faulty_value(run->run, "prompt");
  gesso_component_t* tokenizer = NULL;
  if (!prompts || prompts->type != GESSO_VALUE_TEXTS)
    return faulty_refuse(run->call, "no prompt was given");
  gesso_status_t status = find_tokenizer(run, &tokenizer);
  for (uint32_t i = 0; i < prompts->count && status == GESSO_STATUS_OK; ++i)
    status = compose_one(run, tokenizer, prompts->u.ts[i], (int32_t)i);
  return status;
}

static const void* table(const char* id) {
  static const gesso_port_t text = FAULTY_PORT(GESSO_PORT_TEXT, GESSO_PORT_PER_ITEM, "L D", "f32");
  static const gesso_port_t ids =
      FAULTY_PORT(GESSO_PORT_TOKEN_IDS, GESSO_PORT_PER_ITEM, "L", "i64");
  static const gesso_port_t* const outputs[] = {&text, &ids};
  static const faulty_op_t op = FAULTY_OP(GESSO_OP_COMPOSE, 0, NULL, 2, outputs, 1, compose);
  static const gesso_op_t* const ops[] = {&op.description};
  static const gesso_module_t module = FAULTY_MODULE(1, ops);
  (void)id;
  return &module;
}

const faulty_kind_t faulty_composer = {
    "org.gesso.faulty.composer", "composer", {GESSO_MODULE_ID, NULL}, table, NULL};
