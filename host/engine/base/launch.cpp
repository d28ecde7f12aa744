#include "engine/base/launch.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

#include "gesso/cpp/error.hpp"

namespace gesso::base {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

uint32_t number(const char* name, uint32_t least, uint32_t most) {
  const std::string text = variable(name);
  uint32_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = failed == std::errc() && end == text.data() + text.size();
  if (whole && value >= least && value <= most) return value;
  throw Error(Status::InvalidArgument,
              fmt::format("{} is {}; expected a number from {} to {}. Launchers of several "
                          "workers (torchrun) set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT",
                          name, text.empty() ? "not set" : "\"" + text + "\"", least, most));
}

}  // namespace

std::optional<Launch> launch_of_environment() {
  const std::string world = variable("WORLD_SIZE");
  if (world.empty() || world == "1") return std::nullopt;
  Launch launch;
  launch.count = number("WORLD_SIZE", 1, 65536);
  launch.rank = number("RANK", 0, launch.count - 1);
  launch.address = variable("MASTER_ADDR");
  if (launch.address.empty()) {
    throw Error(Status::InvalidArgument,
                fmt::format("WORLD_SIZE is {}, but MASTER_ADDR is not set: the address of the "
                            "machine of worker 0",
                            launch.count));
  }
  launch.port = static_cast<uint16_t>(number("MASTER_PORT", 1, 65535));
  launch.launcher_keeps_store = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  launch.attempt = variable("TORCHELASTIC_RESTART_COUNT");
  return launch;
}

}  // namespace gesso::base
