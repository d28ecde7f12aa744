// gesso models: the files of models, on hubs and on this machine.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/fetching.hpp"
#include "cli/progress.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kName =
    "A variant (z-image-turbo), a model of a hub (org/name), or some of its files "
    "(org/name:pattern)";

constexpr const char* kExamples = R"(Examples:
  gesso models pull z-image-turbo                      everything that the variant needs
  gesso models pull "Tongyi-MAI/Z-Image:transformer/*" --source huggingface
  gesso models list
  gesso models verify z-image-turbo
  gesso models path Tongyi-MAI/Z-Image-Turbo:vae/*.safetensors
  gesso models import ~/old-cache/huggingface          used in place, not copied
  gesso models rm Tongyi-MAI/Z-Image

Files go to ./models/org/name, or where --folder or DIFFSYNTH_MODEL_BASE_PATH say. A download that was
broken off goes on where it stopped.)";

/// What several of the commands take.
struct Options {
  std::vector<std::string> names;
  std::string folder, source, revision, as;
  int connections = 8, stall_seconds = 30;
  bool as_json = false, quiet = false, offline = false;
};

void set_text(ValueList& values, const char* key, const std::string& text) {
  if (!text.empty()) values.set_text(key, text);
}

/// Runs a job to its end. @return its report
json run_job(app::Engine& engine, const char* kind, const ValueList& values,
             const Options& options) {
  Progress progress(chosen_style(options.as_json, options.quiet));
  app::Job job =
      engine.start(kind, values, [&](const gesso_event_t& event) { progress.show(event); });
  wait_or_fail(job);
  return json::parse(job.report());
}

ValueList common_values(const Options& options) {
  ValueList values;
  set_text(values, "local_model_path", options.folder);
  set_text(values, "download_source", options.source);
  return values;
}

void print_json(json report) {
  report["event"] = "result";
  fmt::print("{}\n", report.dump());
}

void pull(const Common& common, const Options& options) {
  app::Engine engine = common.engine();
  for (const std::string& name : options.names) {
    ValueList values = common_values(options);
    values.set_text("model", name);
    set_text(values, "revision", options.revision);
    values.set_integer("connections", options.connections);
    values.set_integer("stall_seconds", options.stall_seconds);
    const json report = run_job(engine, "pull", values, options);
    if (options.as_json) {
      print_json(report);
      continue;
    }
    for (const json& model : report["models"]) {
      for (const json& file : model["fetched"]) {
        fmt::print("{}\n", (fs::path(model["folder"].get<std::string>()) / file).string());
      }
    }
    if (!options.quiet) tell_fetched(report);
  }
}

void list(const Common& common, const Options& options) {
  json models = json::parse(common.engine().ask("models", options.folder));
  if (options.as_json) {
    fmt::print("{}\n", models.dump(2));
    return;
  }
  for (json& model : models) {
    model["size"] = bytes_text(model["size_bytes"]);
    model["state"] = model["complete"] ? "" : "incomplete";
  }
  print_table({"MODEL", "KEPT BY", "FILES", "SIZE", "", "FOLDER"}, models,
              {"model_id", "kind", "n_files", "size", "state", "folder"});
}

void verify(const Common& common, const Options& options) {
  app::Engine engine = common.engine();
  bool ok = true;
  for (const std::string& name : options.names) {
    ValueList values = common_values(options);
    values.set_text("model", name);
    values.set_boolean("offline", options.offline);
    const json report = run_job(engine, "verify", values, options);
    ok = ok && report["ok"];
    if (options.as_json) {
      print_json(report);
      continue;
    }
    for (const json& file : report["files"]) {
      fmt::print("{:<8} {}/{}: {}\n", text(file["state"]), text(file["model_id"]),
                 text(file["file"]), text(file["text"]));
    }
  }
  if (!ok)
    throw Exit(kRunFailed, "some files are not what they should be; gesso models pull mends them");
}

void path(const Common& common, const Options& options) {
  app::Engine engine = common.engine();
  for (const std::string& name : options.names) {
    for (const json& path : json::parse(engine.ask("model_files", name))) {
      fmt::print("{}\n", text(path));
    }
  }
}

void import_folder(const Common& common, const Options& options) {
  app::Engine engine = common.engine();
  for (const std::string& name : options.names) {
    ValueList values;
    set_text(values, "local_model_path", options.folder);
    values.set_text("from", name);
    set_text(values, "model_id", options.as);
    const json report = run_job(engine, "import_models", values, options);
    for (const json& model : report["models"]) {
      fmt::print("{}  {}\n", text(model["model_id"]), text(model["folder"]));
    }
  }
}

void remove(const Common& common, const Options& options) {
  app::Engine engine = common.engine();
  for (const std::string& name : options.names) {
    ValueList values;
    set_text(values, "local_model_path", options.folder);
    values.set_text("model", name);
    const json report = run_job(engine, "remove_model", values, options);
    fmt::print("{}: {} freed\n", name, bytes_text(report["freed_bytes"]));
  }
}

using Action = void (*)(const Common&, const Options&);

CLI::App* add(CLI::App* models, const Common& common, const std::shared_ptr<Options>& options,
              const char* name, const char* summary, Action action) {
  CLI::App* command = models->add_subcommand(name, summary);
  command->callback([=, &common] { action(common, *options); });
  return command;
}

void add_names(CLI::App* command, const std::shared_ptr<Options>& options, const char* help) {
  command->add_option("names", options->names, help)->required()->type_name("NAME");
}

void add_folder(CLI::App* command, const std::shared_ptr<Options>& options) {
  command->add_option("--folder", options->folder, "The folder of models; default: ./models")
      ->type_name("FOLDER");
}

void add_source(CLI::App* command, const std::shared_ptr<Options>& options) {
  command->add_option("--source", options->source, "The hub; default: modelscope")
      ->type_name("modelscope|huggingface");
}

}  // namespace

void add_models(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* models = app.add_subcommand("models", "Fetch, list and check the files of models");
  models->footer(kExamples);
  models->require_subcommand(1);

  CLI::App* command = add(models, common, options, "pull", "Fetch what is missing", pull);
  add_names(command, options, kName);
  add_folder(command, options);
  add_source(command, options);
  command->add_option("--revision", options->revision, "A branch, tag or commit")
      ->type_name("NAME");
  command->add_option("--connections", options->connections, "At once; default: 8")->type_name("N");
  command
      ->add_option("--stall-timeout", options->stall_seconds,
                   "A connection without a byte for so long is given up; default: 30")
      ->type_name("SECONDS");
  command->add_flag("--json", options->as_json,
                    "One JSON object per event on stdout, the report last");
  command->add_flag("--quiet", options->quiet, "Only errors, and the paths of what was fetched");

  command = add(models, common, options, "list", "Models on this machine", list);
  add_folder(command, options);
  command->add_flag("--json", options->as_json, "The answer as JSON");

  command = add(models, common, options, "verify", "Compare files with their checksums", verify);
  add_names(command, options, kName);
  add_folder(command, options);
  add_source(command, options);
  command->add_flag("--offline", options->offline,
                    "Ask no hub for checksums that are not known here");
  command->add_flag("--json", options->as_json,
                    "One JSON object per event on stdout, the report last");
  command->add_flag("--quiet", options->quiet, "No progress");

  command = add(models, common, options, "path", "Where a model's files are", path);
  add_names(command, options, kName);

  command =
      add(models, common, options, "import",
          "Use models in place: a hub's cache, a folder of models, or of one model", import_folder);
  add_names(command, options, "The folder");
  add_folder(command, options);
  command->add_option("--as", options->as, "The folder is this model")->type_name("ORG/NAME");

  command = add(models, common, options, "rm", "Remove models", remove);
  add_names(command, options, "As its hub names it: org/name");
  add_folder(command, options);
}

}  // namespace gesso::cli
