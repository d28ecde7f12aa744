/* Everything stays in main memory; under pressure, unit 0 goes. */
#include "faulty.h"

static gesso_status_t plan(void* self, const gesso_call_t* call,
                           const gesso_unit_info_t* const* units, uint32_t n_units,
                           const gesso_budget_t* const* budgets, uint32_t n_budgets,
                           gesso_unit_plan_t* plans) {
  (void)self, (void)units, (void)budgets, (void)n_budgets;
  if (faulty("memory_policy.plans") && n_units) {
    return faulty_fail(call->error, GESSO_STATUS_INTERNAL, "no plan today");
  }
  if (faulty("memory_policy.no_units") && !n_units) return GESSO_STATUS_INTERNAL;
  for (uint32_t i = 0; i < n_units; ++i)
    for (int state = 0; state < 4; ++state) {
      plans[i].state[state].device = faulty("memory_policy.places") && state == 2 ? NULL : "cpu";
      plans[i].state[state].storage = "file";
    }
  return GESSO_STATUS_OK;
}

static uint32_t on_event(void* self, const gesso_memory_event_t* event, gesso_move_t* moves,
                         uint32_t capacity) {
  const int known = event->type == GESSO_MEMORY_PRESSURE;
  (void)self;
  if (faulty("memory_policy.without_role") && !event->role) __builtin_trap();
  if (faulty("memory_policy.unknown_event") && event->type == 1000) return 1;
  if (!known) return 0;
  if (faulty("memory_policy.no_room") && capacity == 0) return 1;
  if (capacity == 0) return 0;
  moves[0].unit = faulty("memory_policy.moves") ? 99 : 0;
  moves[0].state = GESSO_PLACE_OFFLOAD;
  return faulty("memory_policy.capacity") && capacity == 1 ? 2 : 1;
}

static const void* table(const char* id) {
  static const gesso_memory_policy_t policy = {sizeof policy, 0, plan, on_event};
  (void)id;
  return &policy;
}

const faulty_kind_t faulty_policy = {"org.gesso.faulty.policy",
                                     "memory_policy",
                                     {GESSO_MEMORY_POLICY_ID, "org.gesso.faulty.extra/1", NULL},
                                     table,
                                     NULL};
