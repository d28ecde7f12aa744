/* A plugin in C with a component of many kinds, all of them right; GESSO_FAULT names the one thing
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

/* What a kind is made of. */
typedef struct faulty_kind {
  const char* kind;
  const char* interfaces[4];
  const void* (*table)(const char* id);
} faulty_kind_t;
extern const faulty_kind_t faulty_scheduler, faulty_tokenizer, faulty_policy, faulty_preprocessor,
    faulty_source;

#endif
