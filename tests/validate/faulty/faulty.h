/* A plugin in C with components of many kinds, all of them right; GESSO_FAULT names the one thing
 * that is wrong: the name of the check that must find it. */
#ifndef FAULTY_H
#define FAULTY_H

#include <gesso/gesso.h>
#include <stdlib.h>
#include <string.h>

/* True when this is the fault that is asked for. */
int faulty(const char* check);
void faulty_disturb(void);
void faulty_forget(void); /* an instance was destroyed */
gesso_status_t faulty_fail(gesso_error_t* error, gesso_status_t status, const char* text);

struct faulty_kind;
typedef struct faulty_instance {
  gesso_component_t component;
  const gesso_host_t* host;
  const struct faulty_kind* kind;
  void* made; /* by prepare */
  gesso_weights_t* weights;
  uint32_t unit; /* of weights */
} faulty_instance_t;

/* What a kind is made of. */
typedef struct faulty_kind {
  const char *id, *kind;
  const char* interfaces[5];
  const void* (*table)(const char* id);
  /* NULL: nothing of its own */
  gesso_status_t (*prepare)(faulty_instance_t* instance, const gesso_call_t* call,
                            const gesso_setup_t* setup);
} faulty_kind_t;
extern const faulty_kind_t* const faulty_kinds[]; /* of this library, ends with NULL */
extern const faulty_kind_t faulty_scheduler, faulty_tokenizer, faulty_policy, faulty_preprocessor,
    faulty_source, faulty_denoiser, faulty_text_encoder, faulty_codec, faulty_composer,
    faulty_controller, faulty_generator;

#endif
