// gesso train: recipes for training.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"

namespace gesso::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  gesso train --from-args "accelerate launch train.py --dataset_base_path ..." --out style.toml
  gesso train --from-args examples/.../lora/Z-Image.sh     the recipe of a script, on stdout
  gesso check style.toml                                   what is wrong with a recipe)";

struct Options {
  std::string arguments, out;
};

std::string text_of(const std::string& arguments) {
  std::error_code none;
  if (!fs::is_regular_file(arguments, none)) return arguments;
  std::ifstream file(arguments);
  return {std::istreambuf_iterator<char>(file), {}};
}

void convert(const Common& common, const Options& options) {
  const json answer = json::parse(common.engine().ask("recipe", text_of(options.arguments)));
  for (const json& note : answer.at("notes")) {
    fmt::print(stderr, "note: {}\n", note.get<std::string>());
  }
  const std::string toml = answer.at("toml");
  if (options.out.empty()) {
    fmt::print("{}", toml);
    return;
  }
  prepare_folder(options.out);
  if (!(std::ofstream(options.out) << toml)) {
    throw Exit(kRunFailed, options.out + ": cannot be written");
  }
  fmt::print("{}\n", options.out);
}

}  // namespace

void add_train(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* train = app.add_subcommand("train", "Make recipes for training");
  train->footer(kExamples);
  train
      ->add_option(
          "--from-args", options->arguments,
          "Turns a command line of DiffSynth-Studio's train.py, or a shell script with one, "
          "into a recipe")
      ->required()
      ->type_name("TEXT|FILE");
  train->add_option("--out", options->out, "The recipe's file; default: stdout")->type_name("FILE");
  train->callback([=, &common] { convert(common, *options); });
}

}  // namespace gesso::cli
