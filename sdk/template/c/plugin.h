/* Between my_plugin.c, which is the component, and plugin.c, which is the same for every plugin. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <gesso/gesso.h>

/* One instance; add what yours has to remember. */
typedef struct instance {
  gesso_component_t component; /* first: its address is the instance's */
  const gesso_host_t* host;
} instance_t;

/* In my_plugin.c. */
extern const gesso_component_desc_t my_plugin_description;
gesso_status_t my_plugin_prepare(instance_t* instance, const gesso_call_t* call,
                                 const gesso_setup_t* setup);
const void* my_plugin_interface(const char* id); /* the table of an interface, or NULL */

/* In plugin.c: writes a failure into the caller's memory, if there is any, and gives the status. */
gesso_status_t fail(gesso_error_t* error, gesso_status_t status, const char* text);

#endif
