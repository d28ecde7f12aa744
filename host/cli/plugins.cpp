// gesso plugins: what was found, and what was refused.
#include <fmt/format.h>

#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

struct Options {
  std::string id;
  bool why = false, as_json = false;
};

void print_candidates(const json& candidates) {
  for (const json& candidate : candidates) {
    const bool accepted = candidate["accepted"];
    fmt::print("{}  {} ({})\n", accepted ? "found  " : "refused", text(candidate["path"]),
               text(candidate["source"]));
    if (!accepted) fmt::print("         {}\n", text(candidate["reason"]));
  }
}

void list(const Common& common, const Options& options) {
  app::Engine engine = common.engine();
  const json answer = json::parse(engine.ask("plugins"));
  if (options.as_json) return fmt::print("{}\n", answer.dump(2));
  const json components = json::parse(engine.ask("components"));
  print_table({"COMPONENT", "KIND", "VERSION", "SUMMARY"}, components,
              {"id", "kind", "version", "summary"});
  if (options.why) {
    fmt::print("\n");
    print_candidates(answer["candidates"]);
  }
}

void describe(const Common& common, const Options& options) {
  const std::string answer = common.engine().ask("components", options.id);
  if (options.as_json) return fmt::print("{}\n", answer);
  const json component = json::parse(answer);
  fmt::print("{}: {}\n{}, version {}, plugin {}\n", text(component["id"]),
             text(component["summary"]), text(component["kind"]), text(component["version"]),
             text(component["plugin"]));
  print_params("Set in [components.<role>]", component["params"]);
  print_params("Set in [generate]", component["run_params"]);
}

}  // namespace

void add_plugins(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* plugins = app.add_subcommand("plugins", "List plugins, describe a component");
  plugins->footer(
      "Examples:\n  gesso plugins list --why\n  gesso plugins describe "
      "org.gesso.flow_match");
  plugins->add_flag("--why", options->why, "Every place that was looked at, and why not");
  plugins->add_flag("--json", options->as_json, "The answer as JSON");
  CLI::App* listing = plugins->add_subcommand("list", "The components that were found");
  CLI::App* description = plugins->add_subcommand("describe", "A component and its parameters");
  description->add_option("id", options->id, "The component")->required()->type_name("ID");
  for (CLI::App* command : {listing, description}) command->fallthrough();
  plugins->callback([=, &common] {
    description->parsed() ? describe(common, *options) : list(common, *options);
  });
}

}  // namespace gesso::cli
