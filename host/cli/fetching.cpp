#include "cli/fetching.hpp"

#include <fmt/format.h>

#include "cli/exit_code.hpp"
#include "cli/interrupt.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {

using nlohmann::json;

void wait_or_fail(app::Job& job) {
  try {
    wait_minding_interrupts(job);
  } catch (const Exit& exit) {
    throw Exit(kRunFailed, exit.what());
  }
}

void tell_fetched(const json& report) {
  size_t files = 0;
  for (const json& model : report["models"]) {
    files += model["fetched"].size();
    for (const json& file : model["unchecked"]) {
      fmt::print(stderr, "warning: {}: the hub gives no checksum; its size was checked only\n",
                 text(file));
    }
  }
  fmt::print(stderr, "fetched {} files, {}\n", files, bytes_text(report["received_bytes"]));
}

}  // namespace gesso::cli
