// gesso variants: the models that plugins offer.
#include <fmt/format.h>

#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

struct Options {
  std::string name;
  bool as_json = false;
};

void describe(const json& variant) {
  fmt::print("{} ({}): {}\n\n", text(variant["name"]), text(variant["id"]),
             text(variant["summary"]));
  print_table({"ROLE", "KIND", "COMPONENT", "AVAILABLE"}, variant["roles"],
              {"name", "kind", "component", "available"});
  fmt::print("\nDefaults in [generate]:\n");
  for (const auto& [key, value] : variant["defaults"].items()) {
    fmt::print("  {} = {}\n", key, value.dump());
  }
  for (const json& note : variant["notes"]) fmt::print("\n{}\n", text(note));
}

void run(const Common& common, const Options& options) {
  const std::string answer = common.engine().ask("variants", options.name);
  if (options.as_json) return fmt::print("{}\n", answer);
  const json variants = json::parse(answer);
  if (!options.name.empty()) return describe(variants);
  print_table({"VARIANT", "ID", "SUMMARY"}, variants, {"name", "id", "summary"});
}

}  // namespace

void add_variants(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* variants = app.add_subcommand("variants", "List models, describe one");
  variants->footer("Examples:\n  gesso variants\n  gesso variants z-image-turbo");
  variants->add_option("name", options->name, "One variant in detail")->type_name("NAME");
  variants->add_flag("--json", options->as_json, "The answer as JSON");
  variants->callback([=, &common] { run(common, *options); });
}

}  // namespace gesso::cli
