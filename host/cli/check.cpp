// gesso check: what is wrong with a pipeline file or a recipe.
#include <fmt/format.h>

#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

struct Options {
  std::string file;
  bool as_json = false;
};

void print(const std::string& file, const json& answer) {
  for (const json& problem : answer["problems"]) {
    const std::string where = text(problem["where"]);
    fmt::print("{}{}{}: {}\n", where, where.empty() ? "" : ": ", text(problem["severity"]),
               text(problem["text"]));
  }
  if (answer["ok"]) fmt::print("{}: ok\n", file);
}

void run(const Common& common, const Options& options) {
  const std::string answer = common.engine().ask("check", options.file);
  const json report = json::parse(answer);
  if (options.as_json) {
    fmt::print("{}\n", answer);
  } else {
    print(options.file, report);
  }
  if (!report["ok"]) throw Exit(kWrongRequest);
}

}  // namespace

void add_check(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* check =
      app.add_subcommand("check", "Tell what is wrong with a pipeline file or a recipe");
  check->footer(
      "Example:\n  gesso check turbo.toml\n\nNothing is loaded. Exit code 2 when there is "
      "an error.");
  check->add_option("file", options->file, "The pipeline or recipe")->required()->type_name("FILE");
  check->add_flag("--json", options->as_json, "The answer as JSON");
  check->callback([=, &common] { run(common, *options); });
}

}  // namespace gesso::cli
