// The simplest memory policy: every weight lies in main memory, in the type it is computed in, from
// the first use until the pipeline ends. The fastest one where the memory is enough. Needs no
// libtorch.
//
// It has no parameters. Example:
//   [memory]
//   policy = "org.gesso.resident.policy"
#include <span>
#include <vector>

#include "gesso/cpp/plugin.hpp"

namespace gesso::resident {
namespace {

constexpr gesso_place_t kResident{"cpu", "compute"};

class Policy : public Component<Policy, MemoryPolicyInterface> {
 public:
  static constexpr Info info{.id = "org.gesso.resident.policy",
                             .kind = "memory_policy",
                             .name = "Resident",
                             .version = "1.0.0",
                             .summary = "All weights stay in main memory, ready to compute"};

  static constexpr uint32_t ignores = ~uint32_t{0};

  std::vector<gesso_unit_plan_t> plan(std::span<const gesso_unit_info_t* const> units,
                                      std::span<const gesso_budget_t* const>) {
    return std::vector<gesso_unit_plan_t>(
        units.size(), gesso_unit_plan_t{{kResident, kResident, kResident, kResident}});
  }

  /// Nothing is ever moved.
  std::vector<gesso_move_t> on_event(const gesso_memory_event_t&) { return {}; }
};

}  // namespace
}  // namespace gesso::resident

GESSO_EXPORT_PLUGIN("org.gesso.resident", "1.0.0", "Gesso", "Apache-2.0", gesso::resident::Policy)
