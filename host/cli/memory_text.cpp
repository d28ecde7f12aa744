#include "cli/memory_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "cli/tables.hpp"

namespace gesso::cli {

std::string moves_text(const nlohmann::json& memory) {
  std::vector<std::string> parts;
  const nlohmann::json roles = memory.value("moved", nlohmann::json::object());
  for (const auto& [role, moved] : roles.items()) {
    parts.push_back(fmt::format("{} units of {} up to {} times, {}", moved.at("units").dump(), role,
                                moved.at("most").dump(),
                                bytes_text(moved.at("bytes").get<uint64_t>())));
  }
  if (parts.empty()) return {};
  return fmt::format("memory: {} moved {}", text(memory.at("policy")), fmt::join(parts, "; "));
}

}  // namespace gesso::cli
