// Deciding, unit by unit, what to bring and what to let go, so that as little as possible is moved.
//
// Units are used in the same order step after step. The one whose next use is furthest away is
// then the one that was used last; it goes first. So what fits stays, and only the rest is moved:
// once per step. (To let the longest unused go would move everything in every step.) Units that are
// used outside of the denoising loop, once per picture, go before those of the loop.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gesso/cpp/plugin.hpp"

namespace gesso::memory_policy {

class Streaming {
 public:
  Streaming() = default;
  /// @param devices  of each unit, where it is computed
  /// @param limit    bytes on each device, besides what budgets say; 0: none
  Streaming(std::span<const gesso_unit_info_t* const> units, std::vector<std::string> devices,
            uint64_t limit = 0);

  std::vector<gesso_move_t> on_event(const gesso_memory_event_t& event);

 private:
  struct Unit {
    std::string device;
    uint64_t bytes, uses_per_step;
    uint64_t last_use = 0;
    bool held = false, in_use = false, awaited = false;  // awaited: brought for its next use
  };
  std::vector<gesso_move_t> bring(const gesso_memory_event_t& event, bool ahead);
  std::vector<gesso_move_t> free_bytes(const std::string& device, uint64_t needed, bool awaited_too,
                                       uint32_t keep) const;
  void let_go(const std::vector<gesso_move_t>& moves);

  std::vector<Unit> units_;
  uint64_t limit_ = 0, now_ = 0;
};

}  // namespace gesso::memory_policy
