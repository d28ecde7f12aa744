/* Values by key, and the description of parameters that hosts, schemas and documents are made of.
 */
#ifndef GESSO_VALUE_H
#define GESSO_VALUE_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  GESSO_VALUE_INT = 1,
  GESSO_VALUE_REAL = 2,
  GESSO_VALUE_TEXT = 3,
  GESSO_VALUE_INTS = 4,
  GESSO_VALUE_REALS = 5,
  GESSO_VALUE_TEXTS = 6,
  GESSO_VALUE_BOOL = 7 /* in `i`: 0 or 1 */
};

/* Sealed. Text is UTF-8 with a final 0. Lists have `count` elements; otherwise count is 1. */
typedef struct gesso_value {
  const char* key;
  int32_t type;
  uint32_t count;
  union {
    int64_t i;
    double r;
    const char* t;
    const int64_t* is;
    const double* rs;
    const char* const* ts;
  } u;
} gesso_value_t;

/* One parameter. NULL where there is no unit, preset or bound. `choices` ends with NULL. */
typedef struct gesso_param {
  uint32_t struct_size;
  int32_t type;
  const char* key;
  const char* summary;
  const char* unit;
  const gesso_value_t* preset; /* the value it has when nobody sets it */
  const gesso_value_t* min;
  const gesso_value_t* max;
  const char* const* choices; /* for TEXT: the words that are allowed */
} gesso_param_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_VALUE_H */
