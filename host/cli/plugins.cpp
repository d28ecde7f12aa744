// gesso plugins: what was found, what was refused, and what a plugin says of itself.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/signing.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

struct Options {
  std::string id, manifest;
  bool why = false, as_json = false;
};

/// What a plugin says it touches beyond its inputs, in words.
std::string needs(const json& permissions) {
  std::vector<std::string> words;
  for (const char* list : {"read", "write", "devices"}) {
    const auto items = permissions[list].get<std::vector<std::string>>();
    if (!items.empty()) words.push_back(fmt::format("{} {}", list, fmt::join(items, " ")));
  }
  if (permissions["network"] == true) words.emplace_back("the network");
  if (permissions["processes"] == true) words.emplace_back("other processes");
  if (permissions["own_threads"] == true) words.emplace_back("threads of its own");
  return words.empty() ? "nothing beyond its inputs" : fmt::format("{}", fmt::join(words, ", "));
}

const json* find_plugin(const json& plugins, const json& id) {
  for (const json& plugin : plugins)
    if (plugin["id"] == id) return &plugin;
  return nullptr;
}

void print_candidates(const json& answer) {
  for (const json& candidate : answer["candidates"]) {
    const bool accepted = candidate["accepted"];
    fmt::print("{}  {} ({})\n", accepted ? "found  " : "refused", text(candidate["path"]),
               text(candidate["source"]));
    if (!accepted) fmt::print("         {}\n", text(candidate["reason"]));
    const json* plugin = accepted ? find_plugin(answer["plugins"], candidate["plugin"]) : nullptr;
    if (plugin) fmt::print("         needs {}\n", needs((*plugin)["permissions"]));
  }
}

void describe_plugin(const json& plugin) {
  fmt::print("{}, version {}, by {}, license {}\n", text(plugin["id"]), text(plugin["version"]),
             text(plugin["vendor"]), text(plugin["license"]));
  const std::string digest = text(plugin["sha256"]);
  fmt::print("library   {}\nsha256    {}\nneeds     {}\n", text(plugin["library"]),
             digest.empty() ? "none: the library is not compared" : digest,
             needs(plugin["permissions"]));
  fmt::print("origin    {}\n",
             plugin["shipped"] == true ? "came with this build" : "a third party");
  for (const json& id : plugin["components"]) fmt::print("component {}\n", text(id));
  for (const json& id : plugin["variants"]) fmt::print("variant   {}\n", text(id));
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
    print_candidates(answer);
  }
}

void describe(const Common& common, const Options& options) {
  app::Engine engine = common.engine();
  const json all = json::parse(engine.ask("plugins"));
  if (const json* plugin = find_plugin(all["plugins"], options.id)) {
    if (options.as_json) return fmt::print("{}\n", plugin->dump(2));
    return describe_plugin(*plugin);
  }
  const std::string answer = engine.ask("components", options.id);
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
  CLI::App* plugins = app.add_subcommand("plugins", "List plugins, describe them, sign one");
  plugins->footer(
      "Examples:\n  gesso plugins list --why\n  gesso plugins describe "
      "org.gesso.flow_match\n  gesso plugins sign my_codec.gesso.toml");
  plugins->add_flag("--why", options->why, "Every place that was looked at, and why not");
  plugins->add_flag("--json", options->as_json, "The answer as JSON");
  CLI::App* listing = plugins->add_subcommand("list", "The components that were found");
  CLI::App* description = plugins->add_subcommand(
      "describe", "A component and its parameters, or a plugin and its needs");
  description->add_option("id", options->id, "The component or plugin")
      ->required()
      ->type_name("ID");
  CLI::App* signing =
      plugins->add_subcommand("sign", "Write the library's SHA-256 into a manifest");
  signing->add_option("manifest", options->manifest, "NAME.gesso.toml")
      ->required()
      ->type_name("FILE");
  for (CLI::App* command : {listing, description, signing}) command->fallthrough();
  plugins->callback([=, &common] {
    if (signing->parsed()) return fmt::print("{}\n", sign_plugin(options->manifest));
    description->parsed() ? describe(common, *options) : list(common, *options);
  });
}

}  // namespace gesso::cli
