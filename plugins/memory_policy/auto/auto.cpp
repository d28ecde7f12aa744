// Chooses by itself: all weights stay where they are computed when there is room, else they are
// streamed. It says what it chose and why.
//
// On "cpu" the room is `vram_limit`, or without it three quarters of the memory that the machine,
// or its control group, has left when the pipeline is loaded; the rest is for activations. On other
// devices it is `vram_limit`. Reads the values of [memory] and of the components' own memory tables
// (docs/memory.md); weights that are streamed wait on "disk" unless something else is said.
//
// Example:
//   [memory]
//   policy = "auto"
#include <algorithm>
#include <cstdio>
#include <set>
#include <string>

#include "machine_memory.hpp"
#include "memory_policy/places.hpp"
#include "memory_policy/streaming.hpp"

namespace gesso::automatic {
namespace {

using memory_policy::Places;
using memory_policy::Streaming;

std::string gib(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

class Policy : public Component<Policy, MemoryPolicyInterface> {
 public:
  static constexpr Info info{.id = "org.gesso.auto.policy",
                             .kind = "memory_policy",
                             .name = "Auto",
                             .version = "1.0.0",
                             .summary = "Measures the machine and chooses: all stays, or streams"};

  void prepare(const Setup& setup) {
    staying_ = Places(setup.values, "meta");
    streamed_ = Places(setup.values, "disk");
  }

  std::vector<gesso_unit_plan_t> plan(std::span<const gesso_unit_info_t* const> units,
                                      std::span<const gesso_budget_t* const> budgets) {
    std::set<std::string> devices;
    std::vector<std::string> device_of;
    for (const gesso_unit_info_t* unit : units) {
      device_of.push_back(staying_.of(unit->role)[GESSO_PLACE_COMPUTATION].device);
      devices.insert(device_of.back());
    }
    streams_ = false;
    uint64_t room_on_cpu = 0;
    for (const std::string& device : devices) {
      uint64_t needed = 0;
      for (size_t i = 0; i < units.size(); ++i) {
        if (device_of[i] == device) needed += units[i]->compute_bytes;
      }
      const Room room = room_on(device, budgets);
      if (device == "cpu") room_on_cpu = room.bytes;
      const bool fits = room.bytes == 0 || needed <= room.bytes;
      host().log(GESSO_LOG_INFO, "memory: the weights on " + device + " take " + gib(needed) +
                                     (room.bytes == 0 ? "" : ", " + room.text) +
                                     (fits ? ": all of them stay" : ": they are streamed"));
      streams_ = streams_ || !fits;
    }
    streaming_ = Streaming(units, device_of, room_on_cpu);
    std::vector<gesso_unit_plan_t> plans;
    for (const gesso_unit_info_t* unit : units) {
      plans.push_back((streams_ ? streamed_ : staying_).plan(unit->role));
    }
    return plans;
  }

  std::vector<gesso_move_t> on_event(const gesso_memory_event_t& event) {
    // Who stays is brought with its first use, too, and then held.
    return streaming_.on_event(event);
  }

 private:
  struct Room {
    uint64_t bytes = 0;  // 0: without limit
    std::string text;
  };

  static Room room_on(const std::string& device, std::span<const gesso_budget_t* const> budgets) {
    for (const gesso_budget_t* budget : budgets) {
      if (budget->device != device || budget->limit == 0) continue;
      const uint64_t bytes = budget->limit - std::min(budget->limit, budget->reserved_bytes);
      return {bytes, "vram_limit leaves " + gib(bytes)};
    }
    if (device != "cpu") return {};
    const MachineMemory memory = machine_memory();
    const uint64_t bytes = memory.bytes / 4 * 3;
    return {bytes, memory.source + " has " + gib(memory.bytes) + " left, of which " + gib(bytes) +
                       " may hold weights"};
  }

  Places staying_, streamed_;
  Streaming streaming_;
  bool streams_ = false;
};

}  // namespace
}  // namespace gesso::automatic

GESSO_EXPORT_PLUGIN("org.gesso.auto", "1.0.0", "Gesso", "Apache-2.0", gesso::automatic::Policy)
