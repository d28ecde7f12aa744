/* The ground rules of the C ABI: versions, calling convention, growing structs. */
#ifndef GESSO_ABI_H
#define GESSO_ABI_H

#include <stddef.h>
#include <stdint.h>

/* The major is part of the entry symbol; 0 marks the time before the freeze: minors must be equal.
 */
#define GESSO_ABI_MAJOR 0
#define GESSO_ABI_MINOR 2

/* Oldest host minor that a plugin accepts; a build may lower or raise it. */
#ifndef GESSO_TARGET_MINOR
#define GESSO_TARGET_MINOR GESSO_ABI_MINOR
#endif

#if defined(_WIN32)
#define GESSO_CALL __cdecl
#define GESSO_EXPORT __declspec(dllexport)
#else
#define GESSO_CALL
#define GESSO_EXPORT __attribute__((visibility("default")))
#endif

/* True when the writer of `*p` knew field `f` and filled it with something else than 0 or NULL. */
#define GESSO_HAS(T, p, f) ((p)->struct_size >= offsetof(T, f) + sizeof((p)->f) && (p)->f)

#endif /* GESSO_ABI_H */
