/* The ground rules of the C ABI: versions, calling convention, growing structs. */
#ifndef GESSO_ABI_H
#define GESSO_ABI_H

#include <stddef.h>
#include <stdint.h>

/* The major is part of the entry symbol; within a major everything is only added to. */
#define GESSO_ABI_MAJOR 1
#define GESSO_ABI_MINOR 0

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

/* Marks. Each function of these headers tells in brackets who may call it, when, and what follows:
 *
 *   who    thread-safe   any thread, any number of calls at once
 *          instance      any thread, one call at a time for each object: the first argument
 *          exclusive     nothing else of this plugin or engine runs
 *   when   & created     after `create`, before `prepare`
 *          & ready       after `prepare` succeeded
 *          & in prepare  inside of `prepare`
 *          & in call     inside of a call of the component; with a sink or a gesso_call_t inside of
 *                        the call that it was passed to
 *          & last        the end of the object: nothing of it runs, nothing follows
 *                        (none of these: from its beginning to its end)
 *   then   ; until X     whoever called ends with X what was given, once
 *
 * Pointers, where nothing else is said: what is passed in is borrowed until the call returns; what
 * comes out belongs to the object and lives as long; NULL is not allowed. More:
 * docs/reference/threads.md. */

/* True when the writer of `*p` knew field `f` and filled it with something else than 0 or NULL. */
#define GESSO_HAS(T, p, f) ((p)->struct_size >= offsetof(T, f) + sizeof((p)->f) && (p)->f)

#endif /* GESSO_ABI_H */
