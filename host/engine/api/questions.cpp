#include "engine/api/questions.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <span>
#include <vector>

#include "engine/api/doctor.hpp"
#include "engine/api/engine.hpp"
#include "engine/api/inspection.hpp"
#include "engine/api/model_jobs.hpp"
#include "engine/api/schemas.hpp"
#include "engine/base/suggest.hpp"
#include "engine/config/pipeline.hpp"
#include "engine/config/recipe_arguments.hpp"
#include "engine/config/schema.hpp"
#include "engine/registry/describe.hpp"
#include "engine/weights/diff.hpp"

namespace gesso::api {

using nlohmann::json;

namespace {

json plugins(Engine& engine, const std::string&) {
  return registry::plugins_json(*engine.registry());
}

json components(Engine& engine, const std::string& id) {
  return registry::components_json(*engine.registry(), id);
}

json variants(Engine& engine, const std::string& name) {
  return registry::variants_json(*engine.registry(), name);
}

json schema(Engine& engine, const std::string& what) {
  if (what == "manifest") return json::parse(kManifestSchema);
  if (what == "variant") return json::parse(kVariantSchema);
  const auto& registry = *engine.registry();
  if (what == "recipe") return config::recipe_schema(&registry);
  const auto* variant = what.empty() || what == "pipeline" ? nullptr : &registry.variant(what);
  return config::pipeline_schema(&registry, variant);
}

json inspect_path(Engine& engine, const std::string& path) {
  return inspect(path, *engine.registry());
}

/// @param paths  a JSON list of two paths
json diff(Engine& engine, const std::string& paths) {
  const json list = json::parse(paths, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array() || list.size() != 2 || !list[0].is_string() || !list[1].is_string()) {
    throw Error(Status::InvalidArgument,
                fmt::format("diff: expected a JSON list of two paths, found {}", paths));
  }
  const auto open = [](const json& path) {
    return weights::WeightSet::open(std::filesystem::path(path.get<std::string>()));
  };
  return weights::diff_json(open(list[0]), open(list[1]), patterns_of(*engine.registry()));
}

json check(Engine& engine, const std::string& path) {
  json problems = json::array();
  bool ok = true;
  for (const config::Problem& problem : config::check_report(engine.registry(), path)) {
    const bool error = problem.severity == config::Severity::Error;
    ok = ok && !error;
    problems.push_back({{"severity", error ? "error" : "warning"},
                        {"where", problem.where},
                        {"text", problem.text},
                        {"status", name_of(problem.status)}});
  }
  return {{"ok", ok}, {"problems", problems}};
}

json recipe(Engine& engine, const std::string& arguments) {
  const auto recipe = config::recipe_of_arguments(arguments, *engine.registry());
  return {{"toml", recipe.toml}, {"notes", recipe.notes}};
}

json models(Engine&, const std::string& local_model_path) {
  return stored_models(local_model_path);
}

json files_of_model(Engine& engine, const std::string& name) {
  return model_files(engine.registry(), name);
}

/// @param argument  the path of a pipeline file or recipe, or {"path", "set": [overrides]}
json missing_models(Engine& engine, const std::string& argument) {
  const json given = json::parse(argument, nullptr, /*allow_exceptions=*/false);
  if (!given.is_object()) return missing_files(engine.registry(), argument, {});
  return missing_files(engine.registry(), given.value("path", ""),
                       given.value("set", std::vector<std::string>()));
}

json doctor(Engine& engine, const std::string&) { return doctor_json(engine); }

struct Question {
  std::string_view name;
  bool needs_argument;
  json (*answer)(Engine&, const std::string& argument);
};

constexpr Question kQuestions[] = {
    {"plugins", false, plugins},     {"components", false, components},
    {"variants", false, variants},   {"schema", false, schema},
    {"inspect", true, inspect_path}, {"diff", true, diff},
    {"check", true, check},          {"doctor", false, doctor},
    {"models", false, models},       {"model_files", true, files_of_model},
    {"recipe", true, recipe},        {"missing_models", true, missing_models},
};

}  // namespace

json answer(Engine& engine, std::string_view question, const std::string& argument) {
  std::vector<std::string_view> names;
  for (const Question& known : kQuestions) {
    names.push_back(known.name);
    if (known.name != question) continue;
    if (known.needs_argument && argument.empty()) {
      throw Error(Status::InvalidArgument,
                  fmt::format("the question \"{}\" needs an argument", question));
    }
    return known.answer(engine, argument);
  }
  throw Error(Status::InvalidArgument,
              fmt::format("unknown question \"{}\"{}; there are {}", question,
                          base::did_you_mean(question, std::span<const std::string_view>(names)),
                          fmt::join(names, ", ")));
}

}  // namespace gesso::api
