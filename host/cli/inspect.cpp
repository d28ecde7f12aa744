// gesso inspect: what weight files are.
#include <fmt/format.h>

#include <cctype>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

struct Options {
  std::vector<std::string> files;
  bool as_json = false, tensors = false;
};

std::string upper(std::string name) {
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

void print(const std::string& file, const json& answer, bool tensors) {
  const json& total = answer["total"];
  fmt::print("{}: {}\n", file, text(answer["summary"]));
  fmt::print("  {} tensors, {} elements, {}\n", text(total["tensors"]), text(total["elements"]),
             bytes_text(total["size_bytes"]));
  for (const auto& [dtype, part] : answer["dtypes"].items()) {
    fmt::print("  {}: {} tensors, {}\n", dtype, text(part["tensors"]),
               bytes_text(part["size_bytes"]));
  }
  for (const auto& [format, part] : answer["formats"].items()) {
    if (answer["dtypes"].contains(upper(format))) continue;  // plain: told above
    fmt::print("  stored as {}: {} weights, {}\n", format, text(part["weights"]),
               bytes_text(part["size_bytes"]));
  }
  for (const json& problem : answer["problems"]) fmt::print("  problem: {}\n", text(problem));
  fmt::print("  structure hash {}\n", text(answer["structure_hash"]));
  if (!tensors) return;
  for (const json& tensor : answer["tensors"]) {
    fmt::print("  {}  {} {}\n", text(tensor["name"]), text(tensor["dtype"]),
               tensor["shape"].dump());
  }
}

void run(const Common& common, const Options& options) {
  app::Engine engine = common.engine();
  json answers = json::array();
  for (const std::string& file : options.files) {
    answers.push_back(json::parse(engine.ask("inspect", file)));
    if (!options.as_json) print(file, answers.back(), options.tensors);
  }
  if (!options.as_json) return;
  for (json& answer : answers) {
    if (!options.tensors) answer.erase("tensors");
  }
  fmt::print("{}\n", (answers.size() == 1 ? answers[0] : answers).dump(2));
}

}  // namespace

void add_inspect(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* inspect = app.add_subcommand("inspect", "Tell what weight files are");
  inspect->footer(
      "Examples:\n  gesso inspect model.safetensors\n  gesso inspect transformer/ "
      "--tensors");
  inspect->add_option("files", options->files, "Files, folders or patterns, each for itself")
      ->required()
      ->type_name("FILE");
  inspect->add_flag("--json", options->as_json, "The answer as JSON");
  inspect->add_flag("--tensors", options->tensors, "Every tensor with its type and shape");
  inspect->callback([=, &common] { run(common, *options); });
}

}  // namespace gesso::cli
