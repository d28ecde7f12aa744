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

void fetch_missing(app::Engine& engine, const std::string& file,
                   const std::vector<std::string>& overrides, ProgressStyle style) {
  const json question{{"path", file}, {"set", overrides}};
  for (const json& model : json::parse(engine.ask("missing_models", question.dump()))) {
    ValueList values;
    for (const auto& [key, value] : model.items()) {
      if (value != "") values.set_text(key, value.get<std::string>());
    }
    Progress progress(style);
    const bool told = style == ProgressStyle::Bar || style == ProgressStyle::Lines;
    progress.remark(fmt::format("fetching {}:{} from {}", text(model["model"]),
                                text(model["origin_file_pattern"]),
                                text(model["download_source"])));
    app::Job job =
        engine.start("pull", values, [&](const gesso_event_t& event) { progress.show(event); });
    wait_or_fail(job);
    if (told) tell_fetched(json::parse(job.report()));
  }
}

}  // namespace gesso::cli
