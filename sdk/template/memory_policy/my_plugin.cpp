// A memory policy: every weight stays in memory, in the type it is computed in.
//
// samples/plugins/one_at_a_time moves weights.
#include <gesso/cpp/plugin.hpp>

namespace {

class MyPlugin : public gesso::Component<MyPlugin, gesso::MemoryPolicyInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.my_plugin.memory_policy",
                                    .kind = "memory_policy",
                                    .name = "MyPlugin",
                                    .version = "1.0.0",
                                    .summary = "All weights stay in memory"};

  /// Bit (1 << event) for each event that this policy need not hear of: all of them.
  static constexpr uint32_t ignores = ~uint32_t{0};

  /// For each unit: where it waits, where it is when its component works, when it is made ready,
  /// and when it computes.
  std::vector<gesso_unit_plan_t> plan(std::span<const gesso_unit_info_t* const> units,
                                      std::span<const gesso_budget_t* const>) {
    constexpr gesso_place_t memory{"cpu", "compute"};
    return std::vector<gesso_unit_plan_t>(units.size(),
                                          gesso_unit_plan_t{{memory, memory, memory, memory}});
  }

  /// Moves to make now.
  std::vector<gesso_move_t> on_event(const gesso_memory_event_t&) { return {}; }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
