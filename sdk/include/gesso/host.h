/* What a plugin gets from its host, and what one request carries. */
#ifndef GESSO_HOST_H
#define GESSO_HOST_H

#include "abi.h"
#include "status.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  GESSO_LOG_DEBUG = 0,
  GESSO_LOG_INFO = 1,
  GESSO_LOG_WARNING = 2, /* the user should know; shown as a warning of the running job */
  GESSO_LOG_ERROR = 3
};

/* The host as one component sees it. Lives until the component is destroyed. The first two fields
 * are frozen across majors. */
typedef struct gesso_host {
  uint32_t struct_size;
  uint32_t abi_minor;
  void* data;
  const char* name;
  const char* version;
  /* [thread-safe] `text` is copied. */
  void(GESSO_CALL* log)(const struct gesso_host* host, int32_t level, const char* text);
  /* [thread-safe] A service table by id, such as "gesso.weights/1"; NULL: this host has none. */
  const void*(GESSO_CALL* get_service)(const struct gesso_host* host, const char* id);
} gesso_host_t;

enum {
  GESSO_CALL_DETERMINISTIC = 1u, /* same inputs give the same bits on one machine */
  GESSO_CALL_TRAINING = 2u
};

/* One request. Nothing about it is global to the process or the thread. */
typedef struct gesso_call {
  uint32_t struct_size;
  uint32_t flags;
  void* data;
  void* stream; /* native queue of `device`; NULL on CPU */
  DLDevice device;
  uint32_t thread_limit; /* 0: the host's choice */
  uint32_t reserved;
  gesso_error_t* error;
  /* [thread-safe & in call] Not 0: return CANCELLED soon; ask once per block or oftener. */
  int32_t(GESSO_CALL* cancelled)(const struct gesso_call* call);
  /* [instance & in call] `what` is copied. */
  void(GESSO_CALL* progress)(const struct gesso_call* call, uint64_t done, uint64_t total,
                             const char* what);
} gesso_call_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_HOST_H */
