// Keeps a memory policy's word: where each unit of weights is, what lies on each device, and that
// no device holds more than its limit. Numbers only: bytes are moved by UnitStores, so that the
// same code plans a run without making it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "gesso/kind/memory_policy.h"
#include "runtime/unit_store.hpp"

namespace gesso::runtime {

/// A unit as the policy knows it, and who moves it.
struct ResidentUnit {
  UnitStore* store = nullptr;
  size_t index = 0;  // in its store
  std::string component, role, name;
  uint64_t stored_bytes = 0, compute_bytes = 0, uses_per_step = 0;
};

/// A memory policy, wherever it comes from.
struct PolicyRef {
  const gesso_memory_policy_t* table = nullptr;
  void* self = nullptr;
  std::string id;  // for messages
};

/// What a device holds, by account.
struct DeviceAccount {
  uint64_t limit = 0;        // 0: none
  uint64_t weights = 0;      // of units, for any state
  uint64_t activations = 0;  // of the operation under way
  uint64_t baseline = 0;     // what the process held before, where that counts
  uint64_t peak = 0;         // of all of it
  uint64_t bytes_in = 0;     // of weights that came
  uint64_t used() const { return weights + activations + baseline; }
};

/// What moving a unit came to.
struct MoveCount {
  uint64_t moves = 0, bytes = 0, read = 0;  // read: from disk
};

class Residency : public UnitEvents {
 public:
  struct Settings {
    std::function<Place(const gesso_place_t&)> place;  // understands a place, or throws
    std::function<void(int32_t level, const std::string&)> log;
    std::map<std::string, DeviceAccount> accounts;  // with limits and baselines
    std::function<uint64_t()> live;                 // what activations really take; may be empty
    /// Told of each move that was made, and when it began; may be empty. Devices: "" is nowhere.
    std::function<void(const ResidentUnit&, const std::string& from, const std::string& to,
                       uint64_t bytes, std::chrono::steady_clock::time_point begin)>
        moved;
  };
  /// Asks the policy for its plan. Every unit begins in the state OFFLOAD.
  /// @throws Error  the policy's own; Internal for a plan that makes no sense; what `place` throws
  Residency(PolicyRef policy, std::vector<ResidentUnit> units, Settings settings,
            const gesso_call_t* call);

  /// Another component begins its part; "" : nobody works any more.
  void enter_phase(const std::string& role);
  /// Room for the activations of what comes next, where the units of `role` are computed.
  /// @throws Error  OutOfMemory naming what would be needed
  void reserve(const std::string& role, uint64_t bytes, const std::string& what);

  void enter(size_t unit) override;
  void leave(size_t unit) override;
  void prefetch(size_t unit) override;
  /// Forgets where everything is; nothing is held any more.
  void release_all();

  const std::map<std::string, DeviceAccount>& accounts() const { return settings_.accounts; }
  /// Peaks and counts begin anew.
  void reset_counts();
  const std::vector<ResidentUnit>& units() const { return units_; }
  const std::vector<MoveCount>& counts() const { return counts_; }  // by unit
  uint64_t refused() const { return refused_; }                     // moves of units in use
  /// The device that the units of a role are computed on; "" when it has none.
  std::string computation_device(const std::string& role) const;

 private:
  struct Seat {
    Place places[4];
    int32_t state = GESSO_PLACE_OFFLOAD;
    int32_t wish =
        GESSO_PLACE_OFFLOAD;  // what the policy last said; not made when there was no room
    bool held = false, in_use = false, ready = false;  // ready: shown, from what is held
    uint64_t charged = 0, charged_use = 0;             // what is held; for the present use
    const Place& now() const { return places[state]; }
    const Place& computation() const { return places[GESSO_PLACE_COMPUTATION]; }
  };

  void plan(const gesso_call_t* call);
  void tell(gesso_memory_event_t event);
  void apply(const gesso_move_t& move);
  void change(size_t unit, int32_t state, bool ahead);
  void let_go(size_t unit);
  void show(size_t unit);
  bool fits(const std::string& device, uint64_t bytes) const;
  void meet_activations(const std::string& device);
  void make_room(const std::string& device, uint64_t bytes, const std::string& what);
  void charge(const std::string& device, uint64_t bytes);
  void discharge(const std::string& device, uint64_t bytes);
  bool ignores(int32_t event) const;
  std::string name_of(size_t unit) const;

  PolicyRef policy_;
  std::vector<ResidentUnit> units_;
  Settings settings_;
  std::vector<Seat> seats_;
  std::vector<MoveCount> counts_;
  std::vector<gesso_move_t> moves_;  // room for the policy's answers
  std::vector<gesso_budget_t> budgets_;
  std::vector<const gesso_budget_t*> budget_list_;
  uint64_t refused_ = 0;
  bool moving_ahead_ = false;
};

}  // namespace gesso::runtime
