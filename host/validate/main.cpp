// gesso-validate: asks checks of one plugin and tells each answer as a line of JSON. It is started
// by `gesso validate`, which survives whatever a plugin does in here.
//
//   gesso-validate --list
//   gesso-validate PLUGIN --out FD [--from N] [--only NAME]... [--sample FILE]... [--broken]
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "validate/context.hpp"

namespace gesso::validate {
namespace {

using nlohmann::json;

const std::vector<Check>& all_checks() {
  static const std::vector<Check> list = [] {
    std::vector<Check> made;
    for (const auto checks :
         {file_checks(), load_checks(), table_checks(), create_checks(), component_checks(),
          module_checks(), module_misuse_checks(), weights_checks(), kind_checks(),
          scheduler_checks(), tokenizer_checks(), adapter_checks(), memory_policy_checks(),
          control_checks(), training_checks()}) {
      made.insert(made.end(), checks.begin(), checks.end());
    }
    return made;
  }();
  return list;
}

json description(const Check& check) {
  return {{"check", check.name},
          {"rule", check.rule},
          {"what", check.what},
          {"advice", check.advice},
          {"only", check.only}};
}

struct Options {
  std::string plugin;
  int out = 1;
  size_t from = 0;
  bool broken = false;  // it ended the process while it was loaded: do not load it again
  std::vector<std::string> only, samples;
};

/// One question: a check, of the plugin or of a component.
struct Question {
  const Check* check;
  const registry::ComponentInfo* component;
};

bool concerns(const Check& check, const registry::ComponentInfo& component) {
  const std::string only = check.only;
  if (only == "weights") return component.pattern.has_value();
  return only.empty() || only == component.kind ||
         std::ranges::find(component.interfaces, only) != component.interfaces.end();
}

bool is_of_components(const Check& check) {
  const std::string name = check.name;
  return check.needs >= Needs::Component && !name.starts_with("create.");
}

std::vector<Question> questions(const Target& target, const Options& options) {
  std::vector<Question> list;
  for (const Check& check : all_checks()) {
    const bool wanted =
        options.only.empty() || std::ranges::any_of(options.only, [&](const std::string& name) {
          return name == check.name || std::string(check.name).starts_with(name + ".");
        });
    if (!wanted) continue;
    if (!is_of_components(check)) {
      list.push_back({&check, nullptr});
    } else if (target.manifest) {
      for (const auto& component : target.manifest->components)
        if (concerns(check, component)) list.push_back({&check, &component});
    }
  }
  return list;
}

/// "" when a check can be asked; else why not.
std::string obstacle(const Target& target, const Question& question, bool broken) {
  const Needs needs = question.check->needs;
  if (needs == Needs::File && std::string(question.check->name).starts_with("load.") && broken) {
    return "loading it ended the process";
  }
  if (needs >= Needs::Manifest && needs < Needs::Library && !target.manifest) {
    return "there is no manifest that could be read";
  }
  if (needs >= Needs::Library && !target.handle) return "it could not be loaded";
  if (needs >= Needs::Table && !target.table) return "its entry gave no table";
  if (needs >= Needs::Component && target.table_bytes.empty()) return "its table is not whole";
  return "";
}

class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) {}
  void line(const json& object) const {
    const std::string text = object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    for (size_t done = 0; done < text.size();) {
      const ssize_t written = write(fd_, text.data() + done, text.size() - done);
      if (written <= 0) _exit(3);
      done += static_cast<size_t>(written);
    }
  }

 private:
  int fd_;
};

json answer(Target& target, const Question& question, bool broken) {
  const std::string why = obstacle(target, question, broken);
  if (!why.empty()) return {{"status", "skip"}, {"text", why}};
  Context context{target, question.component};
  try {
    question.check->run(context);
    return {{"status", "pass"}, {"text", ""}};
  } catch (const Skipped& reason) {
    return {{"status", "skip"}, {"text", reason.what()}};
  } catch (const std::exception& failure) {
    return {{"status", "fail"}, {"text", failure.what()}};
  }
}

void ask(const Options& options) {
  Target target = find_target(options.plugin);
  const std::filesystem::path beside =
      std::filesystem::path(target.library).replace_extension(".validate.toml");
  if (std::filesystem::exists(beside)) read_samples(beside, target.samples);
  for (const std::string& file : options.samples) read_samples(file, target.samples);

  const Writer out(options.out);
  const auto list = questions(target, options);
  bool loaded = options.broken;
  for (size_t i = 0; i < list.size(); ++i) {
    const Question& question = list[i];
    const bool needs_code = question.check->needs >= Needs::Library ||
                            std::string(question.check->name) == "load.opens";
    if (i < options.from) continue;
    json line = description(*question.check);
    line["number"] = i;
    line["of"] = list.size();
    if (question.component) line["component"] = question.component->id;
    line["event"] = "begin";
    line["loading"] = needs_code && !loaded;
    out.line(line);
    if (needs_code && !loaded) load(target);
    loaded = loaded || needs_code;
    line.update(answer(target, question, options.broken));
    line["event"] = "end";
    out.line(line);
  }
  out.line({{"event", "done"}});
}

int run(const std::vector<std::string>& words) {
  Options options;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto next = [&] { return ++i < words.size() ? words[i] : std::string(); };
    if (word == "--list") {
      json list = json::array();
      for (const Check& check : all_checks()) list.push_back(description(check));
      Writer(1).line(list);
      return 0;
    }
    if (word == "--out")
      options.out = std::stoi(next());
    else if (word == "--from")
      options.from = std::stoul(next());
    else if (word == "--only")
      options.only.push_back(next());
    else if (word == "--sample")
      options.samples.push_back(next());
    else if (word == "--broken")
      options.broken = true;
    else
      options.plugin = word;
  }
  ask(options);
  return 0;
}

}  // namespace
}  // namespace gesso::validate

int main(int argc, char** argv) {
  try {
    const int code = gesso::validate::run({argv + 1, argv + argc});
    fflush(nullptr);
    _exit(code);  // a plugin's destructors are not asked
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
