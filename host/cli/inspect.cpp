// gesso inspect: what weight files are.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

struct Options {
  std::vector<std::string> files;
  bool as_json = false, tensors = false, diff = false;
};

std::string upper(std::string name) {
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

void print_total(const json& total) {
  fmt::print("  {} tensors, {} parameters, {}\n", text(total["tensors"]), text(total["parameters"]),
             bytes_text(total["size_bytes"]));
}

void print(const std::string& file, const json& answer, bool tensors);

/// A folder in diffusers layout, part by part.
void print_parts(const std::string& folder, const json& answer, bool tensors) {
  fmt::print("{}: {}\n", folder, text(answer["summary"]));
  print_total(answer["total"]);
  for (const auto& [name, part] : answer["parts"].items()) print(name, part, tensors);
}

void print_adapter(const json& adapter) {
  if (adapter.is_null() || adapter["modules"].empty()) return;
  std::vector<std::string> modules;
  for (const auto& [name, count] : adapter["modules"].items()) {
    modules.push_back(fmt::format("{} x {}", count.dump(), name));
  }
  fmt::print("  modules: {}\n", fmt::join(modules, ", "));
}

void print(const std::string& file, const json& answer, bool tensors) {
  if (answer.contains("parts")) return print_parts(file, answer, tensors);
  fmt::print("{}: {}\n", file, text(answer["summary"]));
  if (!answer.contains("total")) return;  // a folder with settings only
  print_total(answer["total"]);
  print_adapter(answer["adapter"]);
  if (!answer["variants"].empty()) {
    fmt::print("  variants: {}\n",
               fmt::join(answer["variants"].get<std::vector<std::string>>(), ", "));
  }
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

void print_names(const char* head, const json& names) {
  for (const json& name : names) fmt::print("{} {}\n", head, text(name));
}

/// Like the program diff: exit code 1 says that the files are not the same.
void run_diff(const Common& common, const Options& options) {
  if (options.files.size() != 2) {
    throw Exit(kWrongRequest,
               fmt::format("--diff compares two checkpoints, found {}", options.files.size()));
  }
  const json answer = json::parse(common.engine().ask("diff", json(options.files).dump()));
  if (options.as_json) {
    fmt::print("{}\n", answer.dump(2));
  } else {
    const std::string component = text(answer["component"]);
    fmt::print("{}\n", component.empty()
                           ? "names as in the files"
                           : fmt::format("{}, layouts {} and {}", component,
                                         text(answer["layouts"][0]), text(answer["layouts"][1])));
    print_names("only in the first: ", answer["only_a"]);
    print_names("only in the second:", answer["only_b"]);
    for (const json& one : answer["different"]) {
      fmt::print("{}: {} {} and {} {}, largest difference {}\n", text(one["name"]),
                 text(one["format"][0]), one["shape"][0].dump(), text(one["format"][1]),
                 one["shape"][1].dump(),
                 one["max_abs"].is_null() ? "unknown" : one["max_abs"].dump());
    }
    fmt::print("{} weights are identical, {} differ, {} are in one of them only\n",
               text(answer["identical"]), answer["different"].size(),
               answer["only_a"].size() + answer["only_b"].size());
  }
  if (!answer["equal"]) throw Exit(kRunFailed, "");
}

void run(const Common& common, const Options& options) {
  if (options.diff) return run_diff(common, options);
  app::Engine engine = common.engine();
  json answers = json::array();
  for (const std::string& file : options.files) {
    answers.push_back(json::parse(engine.ask("inspect", file)));
    if (!options.as_json) print(file, answers.back(), options.tensors);
  }
  if (!options.as_json) return;
  for (json& answer : answers) {
    if (options.tensors) continue;
    answer.erase("tensors");
    if (!answer.contains("parts")) continue;
    for (json& part : answer["parts"]) part.erase("tensors");
  }
  fmt::print("{}\n", (answers.size() == 1 ? answers[0] : answers).dump(2));
}

}  // namespace

void add_inspect(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* inspect = app.add_subcommand("inspect", "Tell what weight files are");
  inspect->footer(
      "Examples:\n  gesso inspect model.safetensors\n  gesso inspect Z-Image-Turbo/          all "
      "parts of a model\n  gesso inspect transformer/ "
      "--tensors\n  gesso inspect --diff a.safetensors b.safetensors   exit code 1 when they "
      "differ");
  inspect->add_option("files", options->files, "Files, folders or patterns, each for itself")
      ->required()
      ->type_name("FILE");
  inspect->add_flag("--json", options->as_json, "The answer as JSON");
  inspect->add_flag("--tensors", options->tensors, "Every tensor with its type and shape");
  inspect->add_flag("--diff", options->diff,
                    "Compare two: names, shapes, formats, values, across layouts");
  inspect->callback([=, &common] { run(common, *options); });
}

}  // namespace gesso::cli
