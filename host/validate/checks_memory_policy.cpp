// "gesso.memory-policy/1".
#include <cstring>

#include "gesso/kind/memory_policy.h"
#include "validate/context.hpp"

namespace gesso::validate {
namespace {

/// A policy, three units of two components, a processor and a device with a limit.
struct Stage {
  explicit Stage(Context& c) : subject(c.ready()) {
    table = subject->find<gesso_memory_policy_t>(GESSO_MEMORY_POLICY_ID);
    if (!table || !table->plan || !table->on_event) fail("its table lacks plan or on_event");
    for (uint32_t i = 0; i < kUnits; ++i) {
      units[i] = {sizeof(gesso_unit_info_t),
                  i,
                  "org.example.part",
                  i ? "denoiser" : "codec",
                  kNames[i],
                  4096,
                  8192,
                  1};
      unit_list[i] = &units[i];
      std::memset(&plans[i], 0, sizeof plans[i]);
    }
    budgets[0] = {sizeof(gesso_budget_t), 0, "cpu", 0, 0, 0};
    budget_list[0] = &budgets[0];
  }
  gesso_status_t plan(uint32_t count) {
    Trial trial;
    const auto status =
        table->plan(subject->self(), trial.get(), unit_list, count, budget_list, 1, plans);
    text = trial.text();
    return status;
  }
  void planned() {
    if (plan(kUnits) != GESSO_STATUS_OK) skip("it makes no plan (see memory_policy.plans)");
  }
  gesso_memory_event_t event(int32_t type, uint32_t unit = 1) {
    return {sizeof(gesso_memory_event_t), type, unit, 0, "denoiser", "cpu", 4096, budget_list, 1};
  }

  static constexpr uint32_t kUnits = 3;
  static constexpr const char* kNames[kUnits] = {"mid", "layers.0", "layers.1"};
  std::unique_ptr<Subject> subject;
  const gesso_memory_policy_t* table = nullptr;
  gesso_unit_info_t units[kUnits];
  const gesso_unit_info_t* unit_list[kUnits];
  gesso_budget_t budgets[1];
  const gesso_budget_t* budget_list[1];
  gesso_unit_plan_t plans[kUnits];
  std::string text;
};

constexpr int32_t kEvents[] = {GESSO_MEMORY_PHASE, GESSO_MEMORY_ENTER, GESSO_MEMORY_LEAVE,
                               GESSO_MEMORY_PREFETCH, GESSO_MEMORY_PRESSURE};

void plans(Context& c) {
  Stage stage(c);
  const auto status = stage.plan(Stage::kUnits);
  expect(status == GESSO_STATUS_OK, "plan failed with status {}: {}", status, stage.text);
}

void places(Context& c) {
  Stage stage(c);
  stage.planned();
  for (const gesso_unit_plan_t& plan : stage.plans)
    for (const gesso_place_t& place : plan.state)
      expect(place.device && *place.device && place.storage && *place.storage,
             "a place has no device or no storage");
}

void no_units(Context& c) {
  Stage stage(c);
  const auto status = stage.plan(0);
  expect(status == GESSO_STATUS_OK || !stage.text.empty(),
         "a plan of no units failed with status {} and no text", status);
}

void moves(Context& c) {
  Stage stage(c);
  stage.planned();
  for (const int32_t type : kEvents) {
    const gesso_memory_event_t event = stage.event(type);
    gesso_move_t made[16];
    const uint32_t count = stage.table->on_event(stage.subject->self(), &event, made, 16);
    for (uint32_t i = 0; i < std::min(count, 16u); ++i) {
      expect(made[i].unit < Stage::kUnits, "event {}: it moves unit {} of {}", type, made[i].unit,
             Stage::kUnits);
      expect(made[i].state >= 0 && made[i].state <= 3, "event {}: it moves a unit to state {}",
             type, made[i].state);
    }
  }
}

void capacity(Context& c) {
  Stage stage(c);
  stage.planned();
  for (const int32_t type : kEvents) {
    const gesso_memory_event_t event = stage.event(type);
    gesso_move_t made[2] = {{77, 77}, {77, 77}};
    const uint32_t count = stage.table->on_event(stage.subject->self(), &event, made, 1);
    expect(count <= 1 && made[1].unit == 77, "event {}: with room for 1 move it made {}", type,
           count);
  }
}

void no_room(Context& c) {
  Stage stage(c);
  stage.planned();
  for (const int32_t type : kEvents) {
    const gesso_memory_event_t event = stage.event(type);
    const uint32_t count = stage.table->on_event(stage.subject->self(), &event, nullptr, 0);
    expect(count == 0, "event {}: with room for no move it made {}", type, count);
  }
}

void unknown_event(Context& c) {
  Stage stage(c);
  stage.planned();
  const gesso_memory_event_t event = stage.event(1000);
  gesso_move_t made[4];
  expect(stage.table->on_event(stage.subject->self(), &event, made, 4) == 0,
         "it answers an event of type 1000 with moves");
}

void without_role(Context& c) {
  Stage stage(c);
  stage.planned();
  for (const int32_t type : kEvents) {
    gesso_memory_event_t event = stage.event(type);
    event.role = nullptr;
    event.device = nullptr;
    gesso_move_t made[4];
    stage.table->on_event(stage.subject->self(), &event, made, 4);
  }
}

constexpr const char* kPolicy = GESSO_MEMORY_POLICY_ID;

constexpr Check kChecks[] = {
    {"memory_policy.plans", "", Needs::Ready, kPolicy, "plans a few small units", "Read the text.",
     plans},
    {"memory_policy.places", "", Needs::Ready, kPolicy, "every unit gets four places",
     "Fill device and storage of all four states.", places},
    {"memory_policy.no_units", "R7", Needs::Ready, kPolicy, "plans no units",
     "Return GESSO_STATUS_OK when there is nothing to plan.", no_units},
    {"memory_policy.moves", "", Needs::Ready, kPolicy,
     "moves units that there are, to states that there are",
     "unit is the place in the list of plan, state 0 to 3.", moves},
    {"memory_policy.capacity", "R2", Needs::Ready, kPolicy,
     "makes no more moves than there is room for", "Compare with `capacity` before you write.",
     capacity},
    {"memory_policy.no_room", "R2", Needs::Ready, kPolicy, "is asked without room for moves",
     "moves may be NULL when capacity is 0.", no_room},
    {"memory_policy.unknown_event", "R2", Needs::Ready, kPolicy,
     "an event that it does not know is answered with 0",
     "Return 0 for types that you do not know; new ones will come.", unknown_event},
    {"memory_policy.without_role", "R7", Needs::Ready, kPolicy,
     "an event may have neither role nor device", "Test role and device for NULL.", without_role},
};

}  // namespace

std::span<const Check> memory_policy_checks() { return kChecks; }

}  // namespace gesso::validate
