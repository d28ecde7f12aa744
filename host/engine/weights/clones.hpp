// One body, several instruction sets: a function marked so is compiled for each, and the
// processor's own is taken when the program starts. Files that use it are built without contracted
// operations: all clones give the same bits.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GESSO_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define GESSO_CLONES
#endif
