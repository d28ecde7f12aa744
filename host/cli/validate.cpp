// gesso validate: does a plugin keep the contract? Checked in a process of its own.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/tables.hpp"
#include "cli/validation.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

struct Options {
  ValidationRequest request;
  bool as_json = false, list = false, all = false;
};

size_t count(const json& answers, const char* status) {
  return static_cast<size_t>(std::count_if(answers.begin(), answers.end(), [&](const json& answer) {
    return answer["status"] == status;
  }));
}

void print(const json& answer, bool all) {
  const std::string status = answer["status"];
  if (status == "pass" && !all) return;
  const std::string component = answer.value("component", "");
  fmt::print("{}  {}{}\n", status, text(answer["check"]),
             component.empty() ? "" : fmt::format("  ({})", component));
  if (!text(answer["text"]).empty()) fmt::print("      {}\n", text(answer["text"]));
  if (status != "fail") return;
  const std::string rule = text(answer["rule"]);
  fmt::print("      expected: {}{}\n      advice: {}\n", text(answer["what"]),
             rule.empty() ? "" : fmt::format(" (rule {})", rule), text(answer["advice"]));
}

void print_list() {
  print_table({"CHECK", "RULE", "WHAT IS ASKED"}, list_checks(), {"check", "rule", "what"});
}

void run(const Options& options) {
  if (options.list && options.as_json) return fmt::print("{}\n", list_checks().dump(2));
  if (options.list) return print_list();
  if (options.request.plugin.empty()) {
    throw Exit(kWrongRequest, "validate: expected a plugin, a .so or .gesso.toml file");
  }
  if (!std::filesystem::is_regular_file(options.request.plugin)) {
    throw Exit(kWrongRequest,
               fmt::format("{}: no such file; expected a plugin, a .so or .gesso.toml file",
                           options.request.plugin));
  }
  const json answers = run_validation(options.request, [&](const json& answer) {
    if (!options.as_json) print(answer, options.all);
  });
  if (answers.empty()) throw Exit(kWrongRequest, "validate: --only names no check of this plugin");
  const size_t failed = count(answers, "fail"), skipped = count(answers, "skip"),
               passed = count(answers, "pass");
  if (options.as_json) {
    const json report{{"plugin", options.request.plugin},
                      {"ok", failed == 0},
                      {"passed", passed},
                      {"failed", failed},
                      {"skipped", skipped},
                      {"checks", answers}};
    fmt::print("{}\n", report.dump(2));
  } else {
    fmt::print("{}: {} passed, {} failed, {} skipped\n",
               failed == 0 ? "it keeps the contract" : "it does not keep the contract", passed,
               failed, skipped);
  }
  if (failed != 0) throw Exit(kRunFailed);
}

}  // namespace

void add_validate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("validate", "Check that a plugin keeps the contract");
  command->footer(
      "Examples:\n  gesso validate straight_c.so\n  gesso validate straight_c.so --only scheduler "
      "--json\n  gesso validate --list\n\nThe plugin runs in a process of its own: a crash is a "
      "finding. Exit code 0: it keeps the contract,\n1: it does not, 2: the request was wrong.");
  command->add_option("plugin", options->request.plugin, "The library, or its manifest")
      ->type_name("FILE");
  command
      ->add_option("--sample", options->request.samples,
                   "Tiny weights and sizes for its components; default: PLUGIN.validate.toml")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      ->add_option("--only", options->request.only,
                   "A check, or a group: the part of the name before the dot")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_option("--timeout", options->request.seconds, "For one check; default 60")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  command->add_flag("--list", options->list, "Every check, what it asks and its rule");
  command->add_flag("--all", options->all, "Show what passed, too");
  command->add_flag("--json", options->as_json, "The answers as JSON");
  command->callback([options] { run(*options); });
}

}  // namespace gesso::cli
