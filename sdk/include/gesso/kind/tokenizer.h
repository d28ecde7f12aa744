/* Kind "tokenizer", interface "gesso.tokenizer/1": text to ids and back. No chat template inside.
 * Setup values: `path` (TEXT): the tokenizer's file, or the folder that holds it. */
#ifndef GESSO_KIND_TOKENIZER_H
#define GESSO_KIND_TOKENIZER_H

#include "../host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_TOKENIZER_ID "gesso.tokenizer/1"

typedef struct gesso_tokenizer {
  uint32_t struct_size, reserved;
  /* [instance & ready] Ids of `length` bytes of UTF-8. Special tokens inside the text are
   * recognised where the tokenizer's reference does so (a SentencePiece model takes its control
   * symbols for plain text: add these by `token_id`). `count` gets the full number; only the first
   * `capacity` are written. */
  gesso_status_t(GESSO_CALL* encode)(void* self, const char* text, uint64_t length, int32_t* ids,
                                     uint64_t capacity, uint64_t* count, gesso_error_t* error);
  /* [instance & ready] The reverse; `length` gets the full number of bytes, no final 0. */
  gesso_status_t(GESSO_CALL* decode)(void* self, const int32_t* ids, uint64_t count, char* text,
                                     uint64_t capacity, uint64_t* length, gesso_error_t* error);
  /* [instance & ready] Id of a token's exact text; NOT_FOUND if there is none. */
  gesso_status_t(GESSO_CALL* token_id)(void* self, const char* token, int32_t* id,
                                       gesso_error_t* error);
  /* [instance & ready] */
  uint64_t(GESSO_CALL* vocab_size)(void* self);
} gesso_tokenizer_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_KIND_TOKENIZER_H */
