// gesso train: weights from pictures, by a recipe.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/fetching.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/text_file.hpp"

namespace gesso::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  gesso train style.toml                                   as the recipe says
  gesso train style.toml --set learning_rate=5e-5 --set max_steps=500
  gesso train style.toml --resume                          goes on exactly where it stopped
  gesso train --from-args "accelerate launch train.py --dataset_base_path ..." --out style.toml
  gesso train --from-args examples/.../lora/Z-Image.sh     the recipe of a script, on stdout
  torchrun --no-python --nproc-per-node 2 gesso train style.toml     two workers

Ctrl-C ends the run with a state to resume from (exit code 1), a second one kills it.)";

class TrainCommand {
 public:
  explicit TrainCommand(const Common& common) : common_(common) {}

  void add_options(CLI::App* command) {
    auto* recipe = command->add_option("recipe", recipe_, "The recipe (TOML)")->type_name("FILE");
    command
        ->add_option("--set", sets_,
                     "Overrides a value of the recipe, such as learning_rate=5e-5 or "
                     "generate.prompt=\"a key\". May be repeated")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    command->add_flag("--resume", resume_, "The same as --set resume=true");
    command->add_flag("--json", json_, "One JSON object per event on stdout, the report last");
    command->add_flag("--quiet", quiet_, "Only errors, and where the results are");
    auto* convert =
        command
            ->add_option(
                "--from-args", arguments_,
                "Turns a command line of DiffSynth-Studio's train.py, or a shell script with "
                "one, into a recipe; trains nothing")
            ->type_name("TEXT|FILE")
            ->excludes(recipe);
    command->add_option("--out", out_, "With --from-args: the recipe's file; default: stdout")
        ->type_name("FILE")
        ->needs(convert);
  }

  void execute() const {
    if (!arguments_.empty()) return convert();
    if (recipe_.empty()) throw Exit(kWrongRequest, "train: give a recipe, or --from-args");
    train();
  }

 private:
  static std::string text_of(const std::string& arguments) {
    std::error_code none;
    if (!fs::is_regular_file(arguments, none)) return arguments;
    return read_text(arguments);
  }

  void convert() const {
    const json answer = json::parse(common_.engine().ask("recipe", text_of(arguments_)));
    for (const json& note : answer.at("notes")) {
      fmt::print(stderr, "note: {}\n", note.get<std::string>());
    }
    const std::string toml = answer.at("toml");
    if (out_.empty()) {
      fmt::print("{}", toml);
      return;
    }
    prepare_folder(out_);
    if (!(std::ofstream(out_) << toml)) throw Exit(kRunFailed, out_ + ": cannot be written");
    fmt::print("{}\n", out_);
  }

  void train() const {
    std::vector<std::string> sets = sets_;
    if (resume_) sets.push_back("train.resume=true");
    ValueList values;
    values.set_text("recipe", recipe_);
    if (!sets.empty()) values.set_texts("set", sets);
    Progress progress(chosen_style(json_, quiet_));
    app::Engine engine = common_.engine();
    fetch_missing(engine, recipe_, sets, chosen_style(json_, quiet_));
    app::Job job =
        engine.start("train", values, [&](const gesso_event_t& event) { progress.show(event); });
    wait_minding_interrupts(job);
    json report = json::parse(job.report());
    if (json_) {
      report["event"] = "result";
      fmt::print("{}\n", report.dump());
    } else if (report.at("rank") == 0) {  // of several workers (torchrun) one tells
      fmt::print("{}\n", report.at("output_path").get<std::string>());
    }
  }

  const Common& common_;
  std::string recipe_, arguments_, out_;
  std::vector<std::string> sets_;
  bool resume_ = false, json_ = false, quiet_ = false;
};

}  // namespace

void add_train(CLI::App& app, const Common& common) {
  CLI::App* command = app.add_subcommand("train", "Train a LoRA or a model by a recipe");
  command->footer(kExamples);
  auto shared = std::make_shared<TrainCommand>(common);
  shared->add_options(command);
  command->callback([shared] { shared->execute(); });
}

}  // namespace gesso::cli
