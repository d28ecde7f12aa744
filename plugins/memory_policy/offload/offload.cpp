// The four states of DiffSynth-Studio's memory control, per unit: weights wait in `offload`, come
// to `onload` when their component begins its part, and with their first use to `preparing`, as
// long as `vram_limit` leaves room; what is not in its place of computation is copied there for
// each use.
//
// Reads the eight values and `vram_limit` of [memory] and of the components' own memory tables
// (docs/memory.md). A place that is not set is the one of computation, as in the reference. With
// vram_limit = 0 nothing is ever prepared. Unlike there, room is left for the copies of the units
// that are not prepared, because here the limit holds.
//
// Example, layer by layer:
//   [memory]
//   policy = "offload"
//   offload_device = "cpu"
//   onload_device = "cpu"
//   preparing_device = "cuda:0"
//   computation_device = "cuda:0"
//   vram_limit = 7.5
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gesso/cpp/plugin.hpp"
#include "memory_policy/places.hpp"

namespace gesso::offload {
namespace {

using memory_policy::budget_of;

class Policy : public Component<Policy, MemoryPolicyInterface> {
 public:
  static constexpr Info info{.id = "org.gesso.offload.policy",
                             .kind = "memory_policy",
                             .name = "Offload",
                             .version = "1.0.0",
                             .summary =
                                 "Four places per unit: offload, onload, preparing, "
                                 "computation"};
  static constexpr uint32_t ignores = 1u << GESSO_MEMORY_LEAVE;

  void prepare(const Setup& setup) { places_ = memory_policy::Places(setup.values, ""); }

  std::vector<gesso_unit_plan_t> plan(std::span<const gesso_unit_info_t* const> units,
                                      std::span<const gesso_budget_t* const>) {
    std::vector<gesso_unit_plan_t> plans;
    units_.clear();
    for (const gesso_unit_info_t* info : units) {
      plans.push_back(places_.plan(info->role));
      units_.push_back({info->role, info->compute_bytes});
      uint64_t& largest = largest_[info->role];
      largest = std::max(largest, info->compute_bytes);
    }
    return plans;
  }

  std::vector<gesso_move_t> on_event(const gesso_memory_event_t& event) {
    switch (event.type) {
      case GESSO_MEMORY_PHASE:
        return begin(event.role);
      case GESSO_MEMORY_ENTER:
      case GESSO_MEMORY_PREFETCH:
        return use(event);
      case GESSO_MEMORY_PRESSURE:
        return make_room(event.device, event.bytes_needed);
      default:
        return {};
    }
  }

 private:
  struct Unit {
    std::string role;
    uint64_t bytes;
    int32_t state = GESSO_PLACE_OFFLOAD;
    uint64_t last_use = 0;
  };

  /// Everybody else goes to offload. Who runs siblings has no weights itself; these are brought
  /// with their first use. At the end of a picture all stay, for the next one.
  std::vector<gesso_move_t> begin(const std::string& role) {
    std::vector<gesso_move_t> moves;
    if (role.empty()) return moves;
    working_.clear();
    for (uint32_t i = 0; i < units_.size(); ++i) {
      if (units_[i].role != role) set(i, GESSO_PLACE_OFFLOAD, moves);
    }
    onload(role, moves);
    return moves;
  }

  void onload(const std::string& role, std::vector<gesso_move_t>& moves) {
    if (!working_.insert(role).second) return;
    for (uint32_t i = 0; i < units_.size(); ++i) {
      const bool waits = units_[i].role == role && units_[i].state == GESSO_PLACE_OFFLOAD;
      if (waits) set(i, GESSO_PLACE_ONLOAD, moves);
    }
  }

  std::vector<gesso_move_t> use(const gesso_memory_event_t& event) {
    std::vector<gesso_move_t> moves;
    Unit& unit = units_[event.unit];
    onload(unit.role, moves);
    if (event.type == GESSO_MEMORY_ENTER) unit.last_use = ++now_;
    if (unit.state == GESSO_PLACE_ONLOAD && has_room(event, unit)) {
      set(event.unit, GESSO_PLACE_PREPARING, moves);
    }
    return moves;
  }

  /// Below the limit also with this unit, and with a copy of one that is not prepared.
  bool has_room(const gesso_memory_event_t& event, const Unit& unit) const {
    const auto limit = places_.limit(unit.role);
    if (!limit) return true;
    const auto& places = places_.of(unit.role);
    const gesso_budget_t* budget = budget_of(event, places[GESSO_PLACE_PREPARING].device);
    const uint64_t used = budget ? budget->used : 0;
    return *limit > 0 && used + unit.bytes + largest_.at(unit.role) <= *limit;
  }

  /// What was used last is needed again last.
  std::vector<gesso_move_t> make_room(const std::string& device, uint64_t needed) {
    std::vector<uint32_t> list;
    for (uint32_t i = 0; i < units_.size(); ++i) {
      if (units_[i].state != GESSO_PLACE_OFFLOAD && lies_on(i, device)) list.push_back(i);
    }
    std::sort(list.begin(), list.end(),
              [&](uint32_t a, uint32_t b) { return units_[a].last_use > units_[b].last_use; });
    std::vector<gesso_move_t> moves;
    uint64_t freed = 0;
    for (size_t i = 0; i < list.size() && freed < needed; ++i) {
      const auto& places = places_.of(units_[list[i]].role);
      const bool onload_frees = units_[list[i]].state == GESSO_PLACE_PREPARING &&
                                places[GESSO_PLACE_ONLOAD].device != device;
      set(list[i], onload_frees ? GESSO_PLACE_ONLOAD : GESSO_PLACE_OFFLOAD, moves);
      freed += units_[list[i]].bytes;
    }
    return moves;
  }

  bool lies_on(uint32_t unit, const std::string& device) const {
    return places_.of(units_[unit].role)[static_cast<size_t>(units_[unit].state)].device == device;
  }

  void set(uint32_t unit, int32_t state, std::vector<gesso_move_t>& moves) {
    if (units_[unit].state == state) return;
    units_[unit].state = state;
    moves.push_back({unit, state});
  }

  mutable memory_policy::Places places_;
  std::vector<Unit> units_;
  std::map<std::string, uint64_t> largest_;  // unit of each role
  std::set<std::string> working_;            // roles since the last phase
  uint64_t now_ = 0;
};

}  // namespace
}  // namespace gesso::offload

GESSO_EXPORT_PLUGIN("org.gesso.offload", "1.0.0", "Gesso", "Apache-2.0", gesso::offload::Policy)
