// Policies that fail or answer nonsense: told by name, and the host goes on.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>

#include "gesso/cpp/error.hpp"
#include "policy_bench.hpp"

using namespace gesso;

namespace {

/// A policy whose answers a test makes up.
struct MadeUp {
  std::function<gesso_status_t(gesso_unit_plan_t*, uint32_t, gesso_error_t*)> plan =
      [](gesso_unit_plan_t* plans, uint32_t count, gesso_error_t*) {
        const gesso_place_t disk{"disk", "file"}, sim{"sim:0", "compute"};
        for (uint32_t i = 0; i < count; ++i) plans[i] = {{disk, disk, sim, sim}};
        return gesso_status_t{GESSO_STATUS_OK};
      };
  std::function<uint32_t(const gesso_memory_event_t&, gesso_move_t*, uint32_t)> answer =
      [](const gesso_memory_event_t&, gesso_move_t*, uint32_t) { return 0u; };

  gesso_memory_policy_t table{
      sizeof(gesso_memory_policy_t), 0,
      [](void* self, const gesso_call_t* call, const gesso_unit_info_t* const*, uint32_t n_units,
         const gesso_budget_t* const*, uint32_t, gesso_unit_plan_t* plans) {
        return static_cast<MadeUp*>(self)->plan(plans, n_units, call->error);
      },
      [](void* self, const gesso_memory_event_t* event, gesso_move_t* moves, uint32_t capacity) {
        return static_cast<MadeUp*>(self)->answer(*event, moves, capacity);
      }};
};

struct Fixture {
  MadeUp policy;
  test::Sizes store{{10, 10, 10}};
  std::vector<std::string> log;

  std::unique_ptr<runtime::Residency> make(uint64_t limit = 0) {
    std::vector<runtime::ResidentUnit> units;
    for (size_t i = 0; i < 3; ++i) {
      units.push_back(
          {&store, i, "org.test.part", "denoiser", "layers." + std::to_string(i), 10, 10, 1});
    }
    runtime::Residency::Settings settings;
    settings.place = [this](const gesso_place_t& place) {
      if (!place.device || !place.storage) throw Error(Status::Internal, "no device");
      runtime::Place made{place.device, place.storage, nullptr, std::nullopt};
      if (made.device == "moon")
        throw Error(Status::InvalidArgument, "there is no device \"moon\"");
      if (made.device != "disk") made.memory = reinterpret_cast<runtime::Device*>(this);
      return made;
    };
    settings.log = [this](int32_t, const std::string& text) { log.push_back(text); };
    settings.accounts["sim:0"].limit = limit;
    ErrorText error;
    gesso_call_t call{};
    call.struct_size = sizeof call;
    call.error = &error.error;
    return std::make_unique<runtime::Residency>(
        runtime::PolicyRef{&policy.table, &policy, "org.test.policy"}, std::move(units),
        std::move(settings), &call);
  }
  std::string problem() {
    try {
      make();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a plan that fails is told in the policy's words") {
  policy.plan = [](gesso_unit_plan_t*, uint32_t, gesso_error_t* error) {
    return guard(error, [] { throw Error(Status::OutOfMemory, "three units are too many"); });
  };
  CHECK(problem() == "three units are too many");
}

TEST_CASE_FIXTURE(Fixture, "a plan that makes no sense names the policy, the unit and the state") {
  gesso_place_t odd{"moon", "compute"};
  int32_t state = GESSO_PLACE_ONLOAD;
  policy.plan = [&](gesso_unit_plan_t* plans, uint32_t count, gesso_error_t*) {
    MadeUp().plan(plans, count, nullptr);
    plans[1].state[state] = odd;
    return gesso_status_t{GESSO_STATUS_OK};
  };
  CHECK(problem() ==
        "org.test.policy places unit \"layers.1\" of org.test.part for \"onload\" where it cannot "
        "be: there is no device \"moon\"");
  odd = {nullptr, nullptr};
  CHECK(problem().find("for \"onload\" where it cannot be: no device") != std::string::npos);
  odd = {"disk", "file"};
  state = GESSO_PLACE_COMPUTATION;
  CHECK(
      problem() ==
      "org.test.policy leaves unit \"layers.1\" of org.test.part on \"disk\" while it is computed "
      "with; expected a device that computes");
}

TEST_CASE_FIXTURE(Fixture, "answers that make no sense end the use, not the host") {
  auto residency = make();
  struct Case {
    gesso_move_t move;
    uint32_t count;
    const char* text;
  };
  for (const Case& bad :
       {Case{{7, 1}, 1, "moves unit 7 to state 1; there are 3 units"},
        Case{{0, -1}, 1, "moves unit 0 to state -1"}, Case{{0, 4}, 1, "moves unit 0 to state 4"},
        Case{{0, 0}, 1000, "answers with 1000 moves, where 64 are allowed"}}) {
    policy.answer = [&](const gesso_memory_event_t&, gesso_move_t* moves, uint32_t) {
      moves[0] = bad.move;
      return bad.count;
    };
    CHECK_THROWS_WITH_AS(residency->enter(1), doctest::Contains(bad.text), Error);
  }
  policy.answer = MadeUp().answer;
  residency->enter(1);
  residency->leave(1);
  CHECK(residency->accounts().at("sim:0").weights == 0);
}

TEST_CASE_FIXTURE(Fixture, "a unit in use is not moved; that is refused and logged") {
  auto residency = make();
  residency->enter(0);
  policy.answer = [](const gesso_memory_event_t& event, gesso_move_t* moves, uint32_t) {
    moves[0] = {0, GESSO_PLACE_OFFLOAD};
    return event.type == GESSO_MEMORY_ENTER ? 1u : 0u;
  };
  residency->enter(1);
  CHECK(residency->refused() == 1);
  REQUIRE(log.size() == 1);
  CHECK(log[0] ==
        "org.test.policy moves unit \"layers.0\" of org.test.part while it is in use; refused");
  residency->leave(1);
  residency->leave(0);
}

TEST_CASE_FIXTURE(Fixture, "a policy that frees nothing under pressure ends the run in time") {
  auto residency = make(25);
  policy.answer = [](const gesso_memory_event_t& event, gesso_move_t* moves, uint32_t) {
    moves[0] = {event.unit, GESSO_PLACE_PREPARING};
    return event.type == GESSO_MEMORY_ENTER ? 1u : 0u;
  };
  for (const size_t unit : {0, 1}) {
    residency->enter(unit);
    residency->leave(unit);
  }
  CHECK_THROWS_WITH_AS(residency->enter(2), doctest::Contains("org.test.policy frees no more"),
                       Error);
  CHECK(residency->accounts().at("sim:0").weights == 20);
  CHECK(residency->accounts().at("sim:0").peak <= 25);
}

TEST_CASE_FIXTURE(Fixture, "overlapping states are no trouble: one unit is held once") {
  auto residency = make();
  policy.answer = [](const gesso_memory_event_t& event, gesso_move_t* moves, uint32_t) {
    if (event.type != GESSO_MEMORY_PHASE) return 0u;
    for (const int32_t state : {GESSO_PLACE_PREPARING, GESSO_PLACE_COMPUTATION}) {
      *moves++ = {0, state};
      *moves++ = {0, state};
    }
    return 4u;
  };
  residency->enter_phase("denoiser");
  CHECK(residency->accounts().at("sim:0").weights == 10);
  CHECK(residency->counts()[0].moves == 1);
}
