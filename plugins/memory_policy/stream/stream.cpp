// Layer by layer from disk to where it is computed: what fits under `vram_limit` stays, the rest is
// read for each step, on another thread while the layer before it computes.
//
// Reads the values of [memory] and of the components' own memory tables (docs/memory.md). What is
// not set: weights wait on "disk" and are computed on "cpu". Only the offload and the computation
// place matter; between them a unit is either here or there.
//
// Example:
//   [memory]
//   policy = "stream"
//   vram_limit = 3.0
#include <optional>

#include "memory_policy/places.hpp"
#include "memory_policy/streaming.hpp"

namespace gesso::stream {
namespace {

class Policy : public Component<Policy, MemoryPolicyInterface> {
 public:
  static constexpr Info info{.id = "org.gesso.stream.policy",
                             .kind = "memory_policy",
                             .name = "Stream",
                             .version = "1.0.0",
                             .summary = "Layer by layer, read ahead; what fits stays"};

  void prepare(const Setup& setup) { places_ = memory_policy::Places(setup.values, "disk"); }

  std::vector<gesso_unit_plan_t> plan(std::span<const gesso_unit_info_t* const> units,
                                      std::span<const gesso_budget_t* const>) {
    std::vector<gesso_unit_plan_t> plans;
    std::vector<std::string> devices;
    for (const gesso_unit_info_t* unit : units) {
      plans.push_back(places_.plan(unit->role));
      devices.push_back(places_.of(unit->role)[GESSO_PLACE_COMPUTATION].device);
    }
    streaming_ = memory_policy::Streaming(units, std::move(devices));
    return plans;
  }

  std::vector<gesso_move_t> on_event(const gesso_memory_event_t& event) {
    return streaming_.on_event(event);
  }

 private:
  memory_policy::Places places_;
  memory_policy::Streaming streaming_;
};

}  // namespace
}  // namespace gesso::stream

GESSO_EXPORT_PLUGIN("org.gesso.stream", "1.0.0", "Gesso", "Apache-2.0", gesso::stream::Policy)
