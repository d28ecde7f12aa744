// How much memory this process may take, as the system tells.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace gesso::automatic {

struct MachineMemory {
  uint64_t bytes = 0;  // free for new use
  std::string source;  // "the machine" or "the cgroup"
};

/// The smaller of what the machine has available and what the cgroup still allows.
/// @param root  where /proc and /sys are; another one in tests
MachineMemory machine_memory(const std::filesystem::path& root = "/");

}  // namespace gesso::automatic
