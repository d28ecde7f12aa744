// gesso plan: what a picture takes, before it is made.
#include <fmt/format.h>

#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/plan_picture.hpp"
#include "cli/tables.hpp"
#include "engine/base/atomic_file.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  gesso plan turbo.toml
  gesso plan turbo.toml --memory stream --limits 3,4,8 --svg plan.svg
  gesso plan turbo.toml --set height=512 --set width=512 --json

Weights are not loaded. Peaks are by the modules' own estimates, which are upper bounds, and by the
decisions that the memory policy would make; times by this machine's matrix products and reading,
measured now.)";

struct Options {
  std::string file, memory, svg;
  std::vector<std::string> sets;
  std::vector<double> limits{0, 16, 12, 8, 6, 4, 3, 2};
  bool as_json = false;
};

std::string limit_text(const json& bytes) {
  return bytes == 0 ? "none" : bytes_text(bytes.get<uint64_t>());
}

void print_components(const json& components) {
  json rows = json::array();
  for (const auto& [role, entry] : components.items()) {
    rows.push_back({{"role", role},
                    {"stored", bytes_text(entry.at("stored").get<uint64_t>())},
                    {"weights", bytes_text(entry.at("weights").get<uint64_t>())},
                    {"units", entry.at("units")},
                    {"largest", bytes_text(entry.at("largest_unit").get<uint64_t>())}});
  }
  print_table({"COMPONENT", "FILE", "WEIGHTS", "UNITS", "LARGEST UNIT"}, rows,
              {"role", "stored", "weights", "units", "largest"});
}

void print_limits(const json& limits) {
  json rows = json::array();
  for (const json& limit : limits) {
    const std::string name = limit_text(limit.at("limit"));
    for (const json& stage : limit.at("stages")) {
      rows.push_back({{"limit", name},
                      {"stage", stage.at("stage")},
                      {"device", stage.at("device")},
                      {"weights", bytes_text(stage.at("weights").get<uint64_t>())},
                      {"activations", bytes_text(stage.at("activations").get<uint64_t>())},
                      {"peak", bytes_text(stage.at("peak").get<uint64_t>())},
                      {"moved", bytes_text(stage.at("moved").get<uint64_t>())},
                      {"time", fmt::format("{:.1f} s", stage.at("seconds").get<double>())}});
    }
    const bool fits = limit.at("fits");
    rows.push_back(
        {{"limit", name},
         {"stage", fits ? "all" : "does not fit"},
         {"device", ""},
         {"weights", ""},
         {"activations", ""},
         {"peak", ""},
         {"moved", ""},
         {"time", fits ? fmt::format("{:.1f} s", limit.at("seconds").get<double>()) : ""}});
  }
  print_table({"LIMIT", "STAGE", "DEVICE", "WEIGHTS", "ACTIVATIONS", "PEAK", "MOVED", "TIME"}, rows,
              {"limit", "stage", "device", "weights", "activations", "peak", "moved", "time"});
}

void print(const json& plan) {
  fmt::print("{}: {} picture(s) of {}x{}, {} steps\n\n", text(plan.at("policy")),
             plan.at("pictures").dump(), plan.at("width").dump(), plan.at("height").dump(),
             plan.at("steps").dump());
  print_components(plan.at("components"));
  fmt::print("\n");
  print_limits(plan.at("limits"));
  fmt::print("\nsmallest limit that would do: {}\n",
             bytes_text(plan.at("smallest_limit").get<uint64_t>()));
}

void run(const Common& common, const Options& options) {
  std::vector<std::string> overrides = options.sets;
  if (!options.memory.empty()) overrides.push_back("memory.policy=" + options.memory);
  app::Engine engine = common.engine();
  app::Pipeline pipeline = engine.load(options.file, overrides);
  const json plan = json::parse(pipeline.plan(options.limits));
  if (!options.svg.empty()) base::write_file(options.svg, plan_svg(plan));
  if (options.as_json) {
    fmt::print("{}\n", plan.dump(2));
  } else {
    print(plan);
  }
}

}  // namespace

void add_plan(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* plan = app.add_subcommand("plan", "Tell what a picture takes in memory and time");
  plan->footer(kExamples);
  plan->add_option("file", options->file, "The pipeline")->required()->type_name("FILE");
  plan->add_option("--memory", options->memory, "Another memory policy than the file's")
      ->type_name("POLICY");
  plan->add_option("--limits", options->limits, "Limits to try; 0: without one")
      ->type_name("GIB,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  plan->add_option("--set", options->sets, "Overrides a value of the file. May be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  plan->add_option("--svg", options->svg, "A picture of it")->type_name("FILE");
  plan->add_flag("--json", options->as_json, "The answer as JSON");
  plan->callback([=, &common] { run(common, *options); });
}

}  // namespace gesso::cli
