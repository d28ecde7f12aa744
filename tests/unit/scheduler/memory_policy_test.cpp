// The resident memory policy through its plugin.
#include <doctest/doctest.h>

#include "plugin_host.hpp"

using namespace golden;

TEST_CASE("every unit stays in main memory in its compute type, and nothing is moved") {
  PluginComponent component("resident", "org.gesso.resident.policy");
  component.prepare();
  const auto& table = component.interface<gesso_memory_policy_t>(GESSO_MEMORY_POLICY_ID);
  void* self = component.get()->self;
  const gesso_unit_info_t unit{sizeof unit, 0, "denoiser", "denoiser", "layers.0", 100, 200, 1};
  const gesso_unit_info_t* units[] = {&unit, &unit};
  gesso_unit_plan_t plans[2];
  TestCall call;
  REQUIRE(table.plan(self, &call.raw, units, 2, nullptr, 0, plans) == GESSO_STATUS_OK);
  for (const gesso_unit_plan_t& plan : plans) {
    for (const gesso_place_t& place : plan.state) {
      CHECK(place.device == std::string("cpu"));
      CHECK(place.storage == std::string("compute"));
    }
  }
  gesso_memory_event_t event{};
  event.struct_size = sizeof event;
  gesso_move_t moves[4];
  for (const int32_t type : {int32_t{GESSO_MEMORY_PHASE}, int32_t{GESSO_MEMORY_PRESSURE}, 99}) {
    event.type = type;
    CHECK(table.on_event(self, &event, moves, 4) == 0);
  }
}
