// gesso completion: words for the Tab key of a shell, taken from the parser itself.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"

namespace gesso::cli {
namespace {

struct Command {
  std::string name, summary;
  std::vector<std::string> words;  // options, then commands below
};

std::vector<const CLI::App*> children(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> words_of(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  for (const CLI::App* child : children(app)) words.push_back(child->get_name());
  return words;
}

std::vector<Command> commands_of(const CLI::App& app) {
  std::vector<Command> commands;
  for (const CLI::App* child : children(app)) {
    commands.push_back({child->get_name(), child->get_description(), words_of(*child)});
  }
  return commands;
}

void print_bash(const CLI::App& app) {
  fmt::print("_gesso() {{\n  local words=\"{}\"\n  case \"${{COMP_WORDS[1]}}\" in\n",
             fmt::join(words_of(app), " "));
  for (const Command& command : commands_of(app)) {
    fmt::print("    {}) [ \"$COMP_CWORD\" -gt 1 ] && words=\"{}\" ;;\n", command.name,
               fmt::join(command.words, " "));
  }
  fmt::print(
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"${{COMP_WORDS[COMP_CWORD]}}\"))\n"
      "}}\n"
      "complete -o default -F _gesso gesso\n");
}

void print_zsh(const CLI::App& app) {
  fmt::print("#compdef gesso\nautoload -U bashcompinit && bashcompinit\n");
  print_bash(app);
}

void print_fish(const CLI::App& app) {
  for (const Command& command : commands_of(app)) {
    fmt::print("complete -c gesso -n __fish_use_subcommand -a {} -d '{}'\n", command.name,
               command.summary);
    for (const std::string& word : command.words) {
      const bool option = word.starts_with("--");
      fmt::print("complete -c gesso -n '__fish_seen_subcommand_from {}' {} {}\n", command.name,
                 option ? "-l" : "-a", option ? word.substr(2) : word);
    }
  }
}

}  // namespace

void add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* completion = app.add_subcommand("completion", "Print a script for the Tab key");
  completion->footer(
      "Example:\n  gesso completion bash > ~/.local/share/bash-completion/"
      "completions/gesso");
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("SHELL");
  completion->callback([shell, &app] {
    if (*shell == "bash") print_bash(app);
    if (*shell == "zsh") print_zsh(app);
    if (*shell == "fish") print_fish(app);
  });
}

}  // namespace gesso::cli
