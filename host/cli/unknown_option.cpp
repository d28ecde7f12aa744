#include "cli/unknown_option.hpp"

#include <fmt/format.h>

#include <vector>

#include "engine/base/suggest.hpp"

namespace gesso::cli {
namespace {

/// The innermost command that the line names.
const CLI::App& named_command(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return *command;
}

void add_options(const CLI::App& app, std::vector<std::string>& names) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
}

std::vector<std::string> known_names(const CLI::App& app, const CLI::App& command) {
  std::vector<std::string> names;
  add_options(command, names);
  if (&command != &app) add_options(app, names);
  for (const CLI::App* child : command.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(child->get_name());
  }
  return names;
}

/// All words of the line that nobody takes, innermost command last.
std::vector<std::string> unknown_words(const CLI::App& app) { return app.remaining(true); }

}  // namespace

std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = named_command(app);
  const std::string name = &command == &app ? "gesso" : "gesso " + command.get_name();
  const std::string more = fmt::format("\n`{} --help` tells what there is", name);
  const std::vector<std::string> unknown = unknown_words(app);
  const bool extras = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  const bool no_command = &command == &app && !unknown.empty();
  if (!(extras || no_command) || unknown.empty()) return error.what() + more;
  const std::string word = unknown.front().substr(0, unknown.front().find('='));
  const char* what = word.starts_with("-") ? "option" : no_command ? "command" : "argument";
  return fmt::format("{}: unknown {} \"{}\"{}{}", name, what, word,
                     base::did_you_mean(word, known_names(app, command)), more);
}

}  // namespace gesso::cli
