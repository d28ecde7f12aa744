#include "machine_memory.hpp"

#include <fstream>
#include <optional>
#include <sstream>

namespace gesso::automatic {
namespace {

namespace fs = std::filesystem;

/// A file with one number; nothing when it is not there, or says "max".
std::optional<uint64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

uint64_t available(const fs::path& root) {
  std::ifstream file(root / "proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    uint64_t kib = 0;
    if (words >> name >> kib; name == "MemAvailable:") return kib * 1024;
  }
  return 0;
}

/// What a control group leaves, of version 2 or 1. Pages of files that it holds can be dropped.
std::optional<uint64_t> left_in_cgroup(const fs::path& root) {
  const fs::path groups = root / "sys/fs/cgroup";
  for (const auto& [limit_file, used_file, stat_file] :
       {std::tuple("memory.max", "memory.current", "memory.stat"),
        std::tuple("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes",
                   "memory/memory.stat")}) {
    const auto limit = number_in(groups / limit_file);
    const auto used = number_in(groups / used_file);
    if (!limit || !used) continue;
    uint64_t files = 0;
    std::ifstream stat(groups / stat_file);
    for (std::string line; std::getline(stat, line);) {
      std::istringstream words(line);
      std::string name;
      uint64_t bytes = 0;
      if (words >> name >> bytes; name == "inactive_file") files = bytes;
    }
    const uint64_t taken = *used - std::min(*used, files);
    return *limit - std::min(*limit, taken);
  }
  return std::nullopt;
}

}  // namespace

MachineMemory machine_memory(const fs::path& root) {
  const MachineMemory machine{available(root), "the machine"};
  const auto group = left_in_cgroup(root);
  return group && *group < machine.bytes ? MachineMemory{*group, "the cgroup"} : machine;
}

}  // namespace gesso::automatic
