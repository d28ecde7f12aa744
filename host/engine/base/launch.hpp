// What a launcher of several processes (torchrun, or any that sets the same variables) says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gesso::base {

struct Launch {
  uint32_t rank = 0, count = 1;       // RANK, WORLD_SIZE
  std::string address;                // MASTER_ADDR: where the workers meet
  uint16_t port = 0;                  // MASTER_PORT
  bool launcher_keeps_store = false;  // TORCHELASTIC_USE_AGENT_STORE: not the first worker
  std::string attempt;                // TORCHELASTIC_RESTART_COUNT
};

/// Nothing for a process that was started alone: WORLD_SIZE is not set, empty or 1.
/// @throws Error  InvalidArgument naming the variable that is missing or wrong
std::optional<Launch> launch_of_environment();

}  // namespace gesso::base
