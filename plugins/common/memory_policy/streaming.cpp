#include "memory_policy/streaming.hpp"

#include <algorithm>
#include <tuple>

#include "memory_policy/places.hpp"

namespace gesso::memory_policy {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};

}  // namespace

Streaming::Streaming(std::span<const gesso_unit_info_t* const> units,
                     std::vector<std::string> devices, uint64_t limit)
    : limit_(limit) {
  for (size_t i = 0; i < units.size(); ++i) {
    units_.push_back({devices[i], units[i]->compute_bytes, units[i]->uses_per_step});
  }
}

std::vector<gesso_move_t> Streaming::on_event(const gesso_memory_event_t& event) {
  switch (event.type) {
    case GESSO_MEMORY_ENTER: {
      const auto moves = bring(event, false);
      Unit& unit = units_[event.unit];
      unit.in_use = true;
      unit.awaited = false;
      unit.last_use = ++now_;
      return moves;
    }
    case GESSO_MEMORY_LEAVE:
      units_[event.unit].in_use = false;
      return {};
    case GESSO_MEMORY_PREFETCH:
      return bring(event, true);
    case GESSO_MEMORY_PRESSURE: {
      const auto moves = free_bytes(event.device, event.bytes_needed, true, kNone);
      let_go(moves);
      return moves;
    }
    default:
      return {};
  }
}

/// Moves that make room for a unit and bring it; none when there can be no room.
std::vector<gesso_move_t> Streaming::bring(const gesso_memory_event_t& event, bool ahead) {
  Unit& unit = units_[event.unit];
  if (unit.held) {
    unit.awaited = ahead;
    return {};
  }
  const gesso_budget_t* budget = budget_of(event, unit.device);
  uint64_t limit = budget ? budget->limit : 0;
  if (limit_ > 0) limit = limit > 0 ? std::min(limit, limit_) : limit_;
  const uint64_t wanted = (budget ? budget->used : 0) + unit.bytes;
  std::vector<gesso_move_t> moves;
  if (limit > 0 && wanted > limit) {
    moves = free_bytes(unit.device, wanted - limit, !ahead, event.unit);
    uint64_t freed = 0;
    for (const gesso_move_t& move : moves) freed += units_[move.unit].bytes;
    if (freed < wanted - limit) return {};
  }
  let_go(moves);
  unit.held = true;
  unit.awaited = ahead;
  moves.push_back({event.unit, GESSO_PLACE_PREPARING});
  return moves;
}

/// Units to let go, the one that is not wanted for the longest time first.
std::vector<gesso_move_t> Streaming::free_bytes(const std::string& device, uint64_t needed,
                                                bool awaited_too, uint32_t keep) const {
  std::vector<uint32_t> list;
  for (uint32_t i = 0; i < units_.size(); ++i) {
    const Unit& unit = units_[i];
    const bool free = unit.held && !unit.in_use && (awaited_too || !unit.awaited);
    if (free && i != keep && unit.device == device) list.push_back(i);
  }
  const auto order = [&](uint32_t i) {
    const Unit& unit = units_[i];
    return std::tuple(unit.awaited, unit.uses_per_step > 0, ~unit.last_use);
  };
  std::sort(list.begin(), list.end(), [&](uint32_t a, uint32_t b) { return order(a) < order(b); });
  std::vector<gesso_move_t> moves;
  uint64_t freed = 0;
  for (size_t i = 0; i < list.size() && freed < needed; ++i) {
    freed += units_[list[i]].bytes;
    moves.push_back({list[i], GESSO_PLACE_OFFLOAD});
  }
  return moves;
}

void Streaming::let_go(const std::vector<gesso_move_t>& moves) {
  for (const gesso_move_t& move : moves) units_[move.unit].held = units_[move.unit].awaited = false;
}

}  // namespace gesso::memory_policy
