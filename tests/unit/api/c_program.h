/* A program in plain C11, as an application would write it. */
#ifndef GESSO_TESTS_C_PROGRAM_H
#define GESSO_TESTS_C_PROGRAM_H

#include "gesso/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes two pictures and saves them; 0, or the line that failed. `text` gets the error's text. */
int run_c_program(gesso_engine_t* engine, const char* folder, char* text, uint32_t capacity);

#ifdef __cplusplus
}
#endif
#endif
