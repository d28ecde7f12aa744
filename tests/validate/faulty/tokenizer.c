/* Ids are bytes. */
#include "faulty.h"

static gesso_status_t encode(void* self, const char* text, uint64_t length, int32_t* ids,
                             uint64_t capacity, uint64_t* count, gesso_error_t* error) {
  (void)self;
  if (length == 0 && faulty("tokenizer.empty")) return GESSO_STATUS_INTERNAL;
  if (faulty("tokenizer.broken_text"))
    for (uint64_t i = 0; i < length; ++i)
      if ((unsigned char)text[i] == 0xFF) __builtin_trap();
  if (faulty("tokenizer.length")) length = strlen(text);
  *count = faulty("tokenizer.counts") && capacity == 0 ? 0 : length;
  (void)error;
  for (uint64_t i = 0; i < length; ++i) {
    if (i >= capacity && !(faulty("tokenizer.capacity") && capacity == 1 && i == 1)) break;
    ids[i] = (unsigned char)text[i] + (faulty("tokenizer.range") ? 1000 : 0);
  }
  return GESSO_STATUS_OK;
}

static gesso_status_t decode(void* self, const int32_t* ids, uint64_t count, char* text,
                             uint64_t capacity, uint64_t* length, gesso_error_t* error) {
  (void)self;
  const int offset = faulty("tokenizer.range") ? 1000 : 0;
  *length = count;
  for (uint64_t i = 0; i < count; ++i) {
    const int32_t id = ids[i] - offset;
    if (id < 0 || id > 255) {
      if (faulty("tokenizer.broken_ids")) __builtin_trap();
      return faulty_fail(error, GESSO_STATUS_INVALID_ARGUMENT, "no such id");
    }
    if (i >= capacity && !(faulty("tokenizer.text_capacity") && capacity == 2 && i == 2)) continue;
    text[i] = faulty("tokenizer.round_trip") ? '?' : (char)id;
  }
  return GESSO_STATUS_OK;
}

static gesso_status_t token_id(void* self, const char* token, int32_t* id, gesso_error_t* error) {
  (void)self;
  *id = (unsigned char)token[0];
  if (strlen(token) == 1) return GESSO_STATUS_OK;
  return faulty_fail(error,
                     faulty("tokenizer.unknown_token") ? GESSO_STATUS_OK : GESSO_STATUS_NOT_FOUND,
                     "no such token");
}

static uint64_t vocab_size(void* self) {
  (void)self;
  return 256;
}

static const void* table(const char* id) {
  static const gesso_tokenizer_t tokenizer = {sizeof tokenizer, 0,        encode,
                                              decode,           token_id, vocab_size};
  (void)id;
  return &tokenizer;
}

const faulty_kind_t faulty_tokenizer = {
    "org.gesso.faulty.tokenizer", "tokenizer", {GESSO_TOKENIZER_ID, NULL}, table, NULL};
