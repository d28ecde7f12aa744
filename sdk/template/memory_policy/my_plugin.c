/* A memory policy: every weight stays in memory, in the type it is computed in.
 *
 * samples/plugins/one_at_a_time, in C++, moves weights. */
#include <gesso/kind/memory_policy.h>
#include <string.h>

#include "plugin.h"

/* For each unit: where it waits, where it is when its component works, when it is made ready, and
 * when it computes. */
static gesso_status_t plan(void* self, const gesso_call_t* call,
                           const gesso_unit_info_t* const* units, uint32_t n_units,
                           const gesso_budget_t* const* budgets, uint32_t n_budgets,
                           gesso_unit_plan_t* plans) {
  static const gesso_place_t memory = {"cpu", "compute"};
  (void)self, (void)call, (void)units, (void)budgets, (void)n_budgets;
  for (uint32_t i = 0; i < n_units; ++i)
    for (int state = 0; state < 4; ++state) plans[i].state[state] = memory;
  return GESSO_STATUS_OK;
}

/* Moves to make now: at most `capacity`, and none for an event of a later host. */
static uint32_t on_event(void* self, const gesso_memory_event_t* event, gesso_move_t* moves,
                         uint32_t capacity) {
  (void)self, (void)event, (void)moves, (void)capacity;
  return 0;
}

/* Bit (1 << event) for each event that this policy need not hear of: all of them. */
static const gesso_memory_policy_t policy = {sizeof policy, ~0u, plan, on_event};

static const char* const interfaces[] = {GESSO_MEMORY_POLICY_ID, NULL};
const gesso_component_desc_t my_plugin_description = {sizeof my_plugin_description,
                                                      0,
                                                      "org.example.my_plugin.memory_policy",
                                                      "memory_policy",
                                                      "MyPlugin",
                                                      "1.0.0",
                                                      "All weights stay in memory",
                                                      interfaces,
                                                      NULL};

gesso_status_t my_plugin_prepare(instance_t* instance, const gesso_call_t* call,
                                 const gesso_setup_t* setup) {
  (void)instance, (void)call, (void)setup;
  return GESSO_STATUS_OK;
}

const void* my_plugin_interface(const char* id) {
  return strcmp(id, GESSO_MEMORY_POLICY_ID) == 0 ? &policy : NULL;
}
