#include "memory_policy/places.hpp"

#include <vector>

namespace gesso::memory_policy {
namespace {

constexpr std::array<const char*, 4> kStates{"offload", "onload", "preparing", "computation"};
constexpr const char* kLimit = "vram_limit";

}  // namespace

Places::Places(const Values& values, std::string waiting) : waiting_(std::move(waiting)) {
  std::vector<std::string> prefixes{""};
  for (const std::string& role : values.texts("roles")) prefixes.push_back(role + ".");
  for (const std::string& prefix : prefixes) {
    if (values.has(prefix + kLimit)) limits_[prefix + kLimit] = values.real(prefix + kLimit, 0);
    for (const std::string state : kStates) {
      for (const std::string key : {prefix + state + "_device", prefix + state + "_dtype"}) {
        if (values.has(key)) texts_[key] = values.text(key, "");
      }
    }
  }
}

/// The role's own value, else the one for all, else "".
std::string Places::text(const std::string& role, const std::string& key) const {
  for (const std::string& name : {role + "." + key, key}) {
    const auto found = texts_.find(name);
    if (found != texts_.end()) return found->second;
  }
  return {};
}

const StatePlaces& Places::of(const std::string& role) {
  auto& places = roles_[role];
  if (places) return *places;
  places = std::make_unique<StatePlaces>();
  const std::string device = text(role, "computation_device");
  (*places)[GESSO_PLACE_COMPUTATION] = {device.empty() ? "cpu" : device, "compute"};
  for (const int32_t state : {GESSO_PLACE_PREPARING, GESSO_PLACE_ONLOAD, GESSO_PLACE_OFFLOAD}) {
    const auto place = static_cast<size_t>(state);
    const std::string name = kStates[place];
    NamedPlace made{text(role, name + "_device"), text(role, name + "_dtype")};
    const bool waits = state != GESSO_PLACE_PREPARING && !waiting_.empty();
    if (made.device.empty()) {
      made.device = made.storage == "disk" ? "disk"
                    : waits                ? waiting_
                                           : (*places)[GESSO_PLACE_COMPUTATION].device;
    }
    if (made.storage.empty()) made.storage = "compute";
    (*places)[place] = std::move(made);
  }
  return *places;
}

gesso_unit_plan_t Places::plan(const std::string& role) {
  gesso_unit_plan_t plan{};
  const StatePlaces& places = of(role);
  for (size_t i = 0; i < places.size(); ++i) {
    plan.state[i] = {places[i].device.c_str(), places[i].storage.c_str()};
  }
  return plan;
}

std::optional<uint64_t> Places::limit(const std::string& role) const {
  for (const std::string& name : {role + "." + kLimit, std::string(kLimit)}) {
    const auto found = limits_.find(name);
    if (found != limits_.end()) return static_cast<uint64_t>(found->second * (1 << 30));
  }
  return std::nullopt;
}

const gesso_budget_t* budget_of(const gesso_memory_event_t& event, const std::string& device) {
  for (uint64_t i = 0; i < event.n_budgets; ++i) {
    if (event.budgets[i]->device == device) return event.budgets[i];
  }
  return nullptr;
}

}  // namespace gesso::memory_policy
