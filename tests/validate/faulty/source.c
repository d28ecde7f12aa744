/* Pairs of lora_A and lora_B of one target. */
#include <stdio.h>

#include "faulty.h"

typedef struct set {
  const gesso_named_tensor_t* tensors;
  uint64_t n_tensors, count;
  uint32_t target;
  gesso_tensor_t* parts[2];
  const char* keys[16];
  int matched[16];
} set_t;

static int part_of(const char* key, const char* target) {
  const size_t length = strlen(target);
  if (strncmp(key, target, length) != 0) return -1;
  if (strcmp(key + length, ".lora_A.weight") == 0) return 0;
  return strcmp(key + length, ".lora_B.weight") == 0 ? 1 : -1;
}

static gesso_status_t open(void* self, const gesso_call_t* call,
                           const gesso_named_tensor_t* tensors, uint64_t n_tensors,
                           const gesso_target_t* targets, uint64_t n_targets, void** out,
                           uint64_t* count, gesso_error_t* error) {
  (void)self, (void)call;
  if (faulty("delta_source.opens")) return faulty_fail(error, GESSO_STATUS_BAD_DATA, "not today");
  if (faulty("delta_source.empty") && n_tensors == 0) return GESSO_STATUS_BAD_DATA;
  set_t* set = calloc(1, sizeof *set);
  for (uint64_t i = 0; i < n_tensors && i < 16; ++i) {
    for (uint64_t t = 0; t < n_targets; ++t) {
      const int part = part_of(tensors[i].name, targets[t].name);
      if (part < 0) continue;
      set->parts[part] = tensors[i].tensor;
      set->target = (uint32_t)t;
      set->matched[i] = 1;
    }
    if (!set->matched[i] && !faulty("delta_source.accounts"))
      set->keys[set->count++] = tensors[i].name;
  }
  if (set->parts[0] && set->parts[1]) {
    const int64_t* a = set->parts[0]->dl_tensor.shape;
    const int64_t* b = set->parts[1]->dl_tensor.shape;
    if (a[0] != b[1] && !faulty("delta_source.wrong_shapes")) {
      free(set);
      return faulty_fail(error, GESSO_STATUS_INCOMPATIBLE, "A and B are of different rank");
    }
    set->keys[set->count++] = NULL;
  }
  *count = set->count;
  *out = set;
  return GESSO_STATUS_OK;
}

static gesso_status_t get(void* self, void* from, uint64_t index, uint32_t* target,
                          const char** name, gesso_delta_t* delta, gesso_error_t* error) {
  set_t* set = from;
  (void)self;
  if (index >= set->count) {
    if (faulty("delta_source.beyond")) return GESSO_STATUS_OK;
    return faulty_fail(error, GESSO_STATUS_INVALID_ARGUMENT, "no such update");
  }
  *name = set->keys[index] ? set->keys[index] : "pair";
  *target = set->keys[index] ? GESSO_TARGET_NONE : set->target;
  if (faulty("delta_source.targets") && !set->keys[index]) *target = 77;
  memset(delta, 0, sizeof *delta);
  delta->form = GESSO_DELTA_LOW_RANK;
  delta->n_parts = faulty("delta_source.parts") ? 1 : 2;
  delta->scale = 1;
  delta->parts = set->parts;
  return GESSO_STATUS_OK;
}

static void close(void* self, void* set) {
  (void)self;
  free(set);
}

static const void* table(const char* id) {
  static const gesso_delta_source_t source = {sizeof source, 0, open, get, close, NULL};
  (void)id;
  return &source;
}

const faulty_kind_t faulty_source = {
    "org.gesso.faulty.source", "delta_source", {GESSO_DELTA_SOURCE_ID, NULL}, table, NULL};
