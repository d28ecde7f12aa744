/* How failure is told: a status, and text in memory that the caller owns. */
#ifndef GESSO_STATUS_H
#define GESSO_STATUS_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers never change; a new status gets the next number. */
typedef int32_t gesso_status_t;
enum {
  GESSO_STATUS_OK = 0,
  GESSO_STATUS_CANCELLED = 1,        /* the caller asked for the end; nothing was kept */
  GESSO_STATUS_INVALID_ARGUMENT = 2, /* the request is wrong */
  GESSO_STATUS_NOT_FOUND = 3,        /* a file, component, weight or id does not exist */
  GESSO_STATUS_NOT_SUPPORTED = 4,    /* a right request that this implementation does not serve */
  GESSO_STATUS_OUT_OF_MEMORY = 5,    /* the text names the smallest limit that would do, if known */
  GESSO_STATUS_BAD_DATA = 6,         /* a file or tensor is not what it claims to be */
  GESSO_STATUS_INCOMPATIBLE = 7,     /* versions, runtimes or shapes that do not fit together */
  GESSO_STATUS_BAD_STATE = 8,        /* called at the wrong time */
  GESSO_STATUS_NUMERIC = 9,          /* NaN or Inf where a number must be */
  GESSO_STATUS_DENIED = 10,          /* not permitted: trust, file permissions, disk full */
  GESSO_STATUS_INTERNAL = 11         /* a bug; only destroy may follow */
};

/* An error, written by the callee into memory of the caller. NULL is allowed wherever a pointer to
 * one is taken. `length` is the full length of the text, so that a cut can be seen. */
typedef struct gesso_error {
  uint32_t struct_size;
  gesso_status_t status;
  char* text;        /* UTF-8 with a final 0; may be NULL when capacity is 0 */
  uint32_t capacity; /* bytes behind `text` */
  uint32_t length;   /* bytes that the whole text has, without the final 0 */
} gesso_error_t;

#define GESSO_ERROR_INIT(buffer, size) \
  { (uint32_t)sizeof(gesso_error_t), 0, (buffer), (uint32_t)(size), 0 }

#ifdef __cplusplus
}
#endif
#endif /* GESSO_STATUS_H */
