// gesso doctor: is everything there that computing needs?
#include <fmt/format.h>

#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

void print_group(const std::string& title, const json& values) {
  fmt::print("{}\n", title);
  for (const auto& [key, value] : values.items()) {
    const bool bytes = key.ends_with("_bytes");
    fmt::print("  {}: {}\n", key, bytes ? bytes_text(value) : text(value));
  }
}

void print_plugins(const json& candidates) {
  fmt::print("plugins\n");
  if (candidates.empty()) fmt::print("  none was found; is GESSO_PLUGIN_PATH set?\n");
  for (const json& candidate : candidates) {
    const bool accepted = candidate["accepted"];
    const std::string id = text(candidate["plugin"]);
    fmt::print("  {}  {}\n", accepted ? "ok     " : "refused",
               accepted && !id.empty() ? id : text(candidate["path"]));
    if (!accepted) fmt::print("           {}\n", text(candidate["reason"]));
  }
}

void run(const Common& common, bool as_json) {
  const std::string answer = common.engine().ask("doctor");
  const json report = json::parse(answer);
  if (as_json) {
    fmt::print("{}\n", answer);
  } else {
    fmt::print("gesso {}\n", text(report["version"]));
    print_group("machine", report["machine"]);
    print_group("libtorch", report["runtime"]);
    print_plugins(report["candidates"]);
    fmt::print("{}\n", report["ok"] ? "all is well" : "something is wrong, see above");
  }
  if (!report["ok"]) throw Exit(kRunFailed);
}

}  // namespace

void add_doctor(CLI::App& app, const Common& common) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* doctor =
      app.add_subcommand("doctor", "Look at machine, libtorch and every plugin, loading them all");
  doctor->footer("Exit code 1 when something is wrong.");
  doctor->add_flag("--json", *as_json, "The answer as JSON");
  doctor->callback([=, &common] { run(common, *as_json); });
}

}  // namespace gesso::cli
