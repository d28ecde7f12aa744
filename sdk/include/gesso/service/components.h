/* "gesso.components/1": the siblings of a component in its pipeline, for composers. */
#ifndef GESSO_SERVICE_COMPONENTS_H
#define GESSO_SERVICE_COMPONENTS_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_COMPONENTS_ID "gesso.components/1"

typedef struct gesso_components_service {
  uint32_t struct_size, reserved;
  /* [thread-safe & in call] The component that fills `role` ("text_encoder"), prepared;
   * borrowed until the call returns. NOT_FOUND names the roles that there are. */
  gesso_status_t(GESSO_CALL* find)(const gesso_host_t* host, const char* role,
                                   gesso_component_t** out, gesso_error_t* error);
} gesso_components_service_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_SERVICE_COMPONENTS_H */
