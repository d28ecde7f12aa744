// A memory policy: only the component that works has its weights in memory.
//
// The text encoder works first, then the denoiser, then the codec. When another part begins, what
// the others hold goes back to the file; when memory does not suffice all the same, what is not in
// use goes, whoever holds it. The policy sees names and sizes; the host moves, and refuses to move
// what is in use.
//
//   [memory]
//   policy = "one_at_a_time"
#include <algorithm>
#include <gesso/cpp/plugin.hpp>
#include <string>

namespace {

constexpr gesso_place_t kFile{"disk", "file"}, kMemory{"cpu", "compute"};

class Policy : public gesso::Component<Policy, gesso::MemoryPolicyInterface> {
 public:
  static constexpr gesso::Info info{
      .id = "org.example.one_at_a_time.policy",
      .kind = "memory_policy",
      .name = "One at a time",
      .version = "1.0.0",
      .summary = "Only the component that works has its weights in memory"};

  /// Where a unit is while its component waits, works, is made ready, computes.
  std::vector<gesso_unit_plan_t> plan(std::span<const gesso_unit_info_t* const> units,
                                      std::span<const gesso_budget_t* const>) {
    units_.clear();
    for (const gesso_unit_info_t* unit : units) units_.push_back({unit->role});
    return std::vector<gesso_unit_plan_t>(units.size(),
                                          gesso_unit_plan_t{{kFile, kFile, kMemory, kMemory}});
  }

  std::vector<gesso_move_t> on_event(const gesso_memory_event_t& event) {
    switch (event.type) {
      case GESSO_MEMORY_ENTER:
        units_[event.unit].held = true;
        ++units_[event.unit].users;  // uses may nest
        return {};
      case GESSO_MEMORY_LEAVE:
        --units_[event.unit].users;
        return {};
      case GESSO_MEMORY_PHASE:
        return let_go([&](const Unit& unit) { return event.role && unit.role != event.role; });
      case GESSO_MEMORY_PRESSURE:
        return let_go([](const Unit&) { return true; });
      default:  // an event of a later host
        return {};
    }
  }

 private:
  struct Unit {
    std::string role;
    bool held = false;
    int users = 0;
  };

  template <class Which>
  std::vector<gesso_move_t> let_go(Which&& which) {
    std::vector<gesso_move_t> moves;
    for (uint32_t i = 0; i < units_.size(); ++i) {
      Unit& unit = units_[i];
      if (!unit.held || unit.users > 0 || !which(unit)) continue;
      unit.held = false;
      moves.push_back({i, GESSO_PLACE_OFFLOAD});
    }
    return moves;
  }

  std::vector<Unit> units_;
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.one_at_a_time", "1.0.0", "Example", "Apache-2.0", Policy)
