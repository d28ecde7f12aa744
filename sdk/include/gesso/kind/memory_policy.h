/* Kind "memory_policy", interface "gesso.memory-policy/1": decides where each unit of weights is
 * and in which type. It sees numbers, never tensors; the host does the moving. */
#ifndef GESSO_KIND_MEMORY_POLICY_H
#define GESSO_KIND_MEMORY_POLICY_H

#include "../host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_MEMORY_POLICY_ID "gesso.memory-policy/1"

/* Sealed. */
typedef struct gesso_place {
  const char* device;  /* "cpu" "cuda:0" "disk" "meta" */
  const char* storage; /* "file": as the file has it; "compute": the type it is computed in; or the
                          name of a storage type, "bf16" "fp8_e4m3" "nf4" */
} gesso_place_t;

enum {
  GESSO_PLACE_OFFLOAD = 0,
  GESSO_PLACE_ONLOAD = 1,
  GESSO_PLACE_PREPARING = 2,
  GESSO_PLACE_COMPUTATION = 3
};

/* Sealed. One place for each state above. The texts must live as long as the policy. */
typedef struct gesso_unit_plan {
  gesso_place_t state[4];
} gesso_unit_plan_t;

/* Sealed. */
typedef struct gesso_move {
  uint32_t unit;
  int32_t state;
} gesso_move_t;

typedef struct gesso_unit_info {
  uint32_t struct_size, order;
  const char* component;
  const char* role;
  const char* unit;
  uint64_t stored_bytes, compute_bytes, uses_per_step;
} gesso_unit_info_t;

typedef struct gesso_budget {
  uint32_t struct_size, flags;
  const char* device;
  uint64_t limit, used, reserved_bytes; /* limit 0: none */
} gesso_budget_t;

enum {
  GESSO_MEMORY_PHASE = 1, /* another role begins its part */
  GESSO_MEMORY_ENTER = 2,
  GESSO_MEMORY_LEAVE = 3,
  GESSO_MEMORY_PREFETCH = 4,
  GESSO_MEMORY_PRESSURE = 5 /* `bytes_needed` do not fit */
};

typedef struct gesso_memory_event {
  uint32_t struct_size;
  int32_t type;
  uint32_t unit, flags;
  const char* role;
  const char* device;
  uint64_t bytes_needed;
  const gesso_budget_t* const* budgets;
  uint64_t n_budgets;
} gesso_memory_event_t;

typedef struct gesso_memory_policy {
  uint32_t struct_size;
  /* Bit (1 << type) for each event that the policy need not be told of; 0: it sees all. A use of
   * weights that nobody is told of costs next to nothing. GESSO_MEMORY_PRESSURE can be ignored,
   * too: then the run ends when weights do not fit. */
  uint32_t ignores;
  /* [instance & ready] One plan per unit. */
  gesso_status_t(GESSO_CALL* plan)(void* self, const gesso_call_t* call,
                                   const gesso_unit_info_t* const* units, uint32_t n_units,
                                   const gesso_budget_t* const* budgets, uint32_t n_budgets,
                                   gesso_unit_plan_t* plans);
  /* [instance & ready] Moves to make now; at most `capacity`. Returns their number; 0 for an
   * event that it does not know. A move of a unit in use is refused by the host. */
  uint32_t(GESSO_CALL* on_event)(void* self, const gesso_memory_event_t* event, gesso_move_t* moves,
                                 uint32_t capacity);
} gesso_memory_policy_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_KIND_MEMORY_POLICY_H */
