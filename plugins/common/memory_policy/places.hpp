// Where [memory] and [components.<role>.memory] of a pipeline file put weights: the four states of
// DiffSynth-Studio's memory control, each with a dtype and a device.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "gesso/cpp/plugin.hpp"

namespace gesso::memory_policy {

/// One state's dtype and device; its texts keep their addresses.
struct NamedPlace {
  std::string device, storage;
};

/// The states of one role, in the order of GESSO_PLACE_*.
using StatePlaces = std::array<NamedPlace, 4>;

/// The eight values of each role. The host lists the roles that have values of their own in the
/// value "roles".
class Places {
 public:
  Places() = default;
  /// @param waiting  where weights are between uses when nothing is said: a device, or "" for
  ///                 where they are computed
  Places(const Values& values, std::string waiting);

  /// Valid as long as this lives.
  gesso_unit_plan_t plan(const std::string& role);
  const StatePlaces& of(const std::string& role);
  /// The role's `vram_limit` in bytes, else that of all; nothing when neither is set.
  std::optional<uint64_t> limit(const std::string& role) const;

 private:
  std::string text(const std::string& role, const std::string& key) const;

  std::map<std::string, std::string> texts_;
  std::map<std::string, double> limits_;
  std::string waiting_;
  std::map<std::string, std::unique_ptr<StatePlaces>> roles_;
};

/// The budget of a device among those of an event; null: it has none.
const gesso_budget_t* budget_of(const gesso_memory_event_t& event, const std::string& device);

}  // namespace gesso::memory_policy
