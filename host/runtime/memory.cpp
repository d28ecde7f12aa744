#include "runtime/memory.hpp"

#include "gesso/kind/memory_policy.h"

namespace gesso::runtime {

Memory::Memory(const Parts& parts) : policy_(parts.get("memory_policy")) {
  std::vector<gesso_unit_info_t> infos;
  for (const auto& instance : parts.all()) {
    if (!instance->weights()) continue;
    for (gesso_unit_info_t info : instance->weights()->unit_infos()) {
      units_.emplace_back(instance->weights(), info.order);
      info.order = static_cast<uint32_t>(infos.size());
      infos.push_back(info);
    }
  }
  std::vector<const gesso_unit_info_t*> list;
  for (const auto& info : infos) list.push_back(&info);
  std::vector<gesso_unit_plan_t> plans(infos.size());
  const Watch nobody;
  const CallScope call(nobody);
  const auto& table = policy_.interface<gesso_memory_policy_t>(GESSO_MEMORY_POLICY_ID);
  check_call(table.plan(policy_.self(), call.get(), list.data(), static_cast<uint32_t>(list.size()),
                        nullptr, 0, plans.data()),
             call.get());
  for (size_t i = 0; i < units_.size(); ++i) {
    units_[i].first->set_plan(units_[i].second, plans[i]);
    units_[i].first->move(units_[i].second, GESSO_PLACE_ONLOAD);
  }
}

void Memory::enter_phase(const std::string& role) {
  const auto& table = policy_.interface<gesso_memory_policy_t>(GESSO_MEMORY_POLICY_ID);
  gesso_memory_event_t event{};
  event.struct_size = sizeof event;
  event.type = GESSO_MEMORY_PHASE;
  event.role = role.c_str();
  event.device = "cpu";
  std::vector<gesso_move_t> moves(units_.size());
  const uint32_t count =
      table.on_event(policy_.self(), &event, moves.data(), static_cast<uint32_t>(moves.size()));
  for (uint32_t i = 0; i < count; ++i) {
    if (moves[i].unit >= units_.size()) continue;
    const auto& [weights, unit] = units_[moves[i].unit];
    weights->move(unit, moves[i].state);
  }
}

}  // namespace gesso::runtime
