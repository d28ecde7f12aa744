#include "engine/config/recipe_arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <regex>

#include "engine/base/expression.hpp"
#include "engine/base/suggest.hpp"
#include "engine/config/node.hpp"
#include "engine/config/recipe_models.hpp"
#include "engine/config/recipe_params.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace {

using nlohmann::json;
using registry::Param;
using Words = std::vector<std::string>;

[[noreturn]] void fail(const std::string& text) { throw Error(Status::InvalidArgument, text); }

// --- The shell ---------------------------------------------------------------------------------

/// Splits a script into words, as a POSIX shell does before it expands anything.
class Shell {
 public:
  explicit Shell(std::string_view text) : text_(text) {}

  std::vector<Words> commands() {
    while (at_ < text_.size()) step();
    end_command();
    return std::move(commands_);
  }

 private:
  void step() {
    const char c = text_[at_];
    if (c == '\\') return escaped();
    if (c == '\'' || c == '"') return quoted(c);
    ++at_;
    if (c == '#' && !word_) {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (c == '\n' || c == ';' || c == '&' || c == '|') {
      end_command();
    } else if (c == ' ' || c == '\t' || c == '\r') {
      end_word();
    } else {
      add(c);
    }
  }
  void escaped() {
    const size_t next = at_ + 1;
    at_ += 2;
    if (next >= text_.size() || text_[next] == '\n') return;  // the line goes on
    if (text_.substr(next, 2) == "\r\n") {
      ++at_;
      return;
    }
    add(text_[next]);
  }
  void quoted(char quote) {
    const size_t begin = at_;
    if (!word_) word_.emplace();
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      const bool escape = quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size();
      if (escape && text_[at_ + 1] == '\n') {
        ++at_;
        continue;
      }
      if (escape && (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\')) ++at_;
      *word_ += text_[at_];
    }
    if (at_ >= text_.size()) {
      fail(fmt::format("the quote before \"{}\" does not close", text_.substr(begin + 1, 30)));
    }
    ++at_;
  }
  void add(char c) {
    if (!word_) word_.emplace();
    *word_ += c;
  }
  void end_word() {
    if (word_) command_.push_back(std::move(*word_));
    word_.reset();
  }
  void end_command() {
    end_word();
    if (!command_.empty()) commands_.push_back(std::move(command_));
    command_.clear();
  }

  std::string_view text_;
  size_t at_ = 0;
  std::optional<std::string> word_;
  Words command_;
  std::vector<Words> commands_;
};

bool is_script(const std::string& word) {
  return word == "train.py" || word.ends_with("/train.py");
}

/// The command that trains, cut at the script: the launcher's words and the script's.
struct CommandLine {
  Words launcher, arguments;
};

CommandLine find_command(std::string_view text) {
  std::vector<CommandLine> found;
  for (const Words& words : shell_commands(text)) {
    const auto script = std::ranges::find_if(words, is_script);
    const bool bare = words.front().starts_with("--");
    if (script == words.end() && !bare) continue;
    if (bare) {
      found.push_back({{}, words});
    } else {
      found.push_back({{words.begin(), script}, {script + 1, words.end()}});
    }
  }
  if (found.size() == 1) return found.front();
  if (found.empty())
    fail("there is no command with train.py; expected \"accelerate launch .../train.py --...\"");
  fail(fmt::format("{} commands with train.py; give one at a time", found.size()));
}

// --- Values ------------------------------------------------------------------------------------

json number(const std::string& key, const std::string& text) {
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_number()) return value;
  fail(fmt::format("--{} {}: expected a number", key, text));
}

/// A value as train.py reads it.
json value_of(const Param& param, const std::string& text) {
  if (param.type == GESSO_VALUE_INT || param.type == GESSO_VALUE_REAL)
    return number(param.key, text);
  if (param.type != GESSO_VALUE_TEXTS) return text;
  if (param.key == "model_paths") {
    const json list = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!list.is_array())
      fail("--model_paths: expected a list in JSON, such as '[\"a.safetensors\"]'");
    return list;
  }
  const std::vector<std::string> list = split_list(text);
  if (list.size() == 1) return list.front();
  return list.empty() ? json("") : json(list);
}

json read_arguments(const Words& words) {
  std::vector<std::string> keys;
  for (const Param& param : train_params()) keys.push_back(param.key);
  json values = json::object();
  for (size_t i = 0; i < words.size(); ++i) {
    if (!words[i].starts_with("--"))
      fail(fmt::format("\"{}\" is no argument of train.py", words[i]));
    const size_t equals = words[i].find('=');
    const std::string key = words[i].substr(2, equals == std::string::npos ? equals : equals - 2);
    const Param* param = find_param(train_params(), key);
    if (!param) {
      fail(fmt::format("train.py has no argument --{}{}", key, base::did_you_mean(key, keys)));
    }
    if (param->type == GESSO_VALUE_BOOL) {
      values[key] = true;
      continue;
    }
    if (equals == std::string::npos && i + 1 == words.size())
      fail(fmt::format("--{} has no value", key));
    values[key] =
        value_of(*param, equals == std::string::npos ? words[++i] : words[i].substr(equals + 1));
  }
  return values;
}

// --- The launcher ------------------------------------------------------------------------------

/// What a configuration file of accelerate says, where it can be read.
std::map<std::string, std::string> read_yaml(const std::string& path) {
  std::map<std::string, std::string> values;
  std::ifstream file(path);
  const std::regex line_of(R"(\s*(\w+):\s*'?([^'#]*?)'?\s*)");
  std::smatch match;
  for (std::string line; std::getline(file, line);) {
    if (line.size() <= base::kMaxExpressionBytes && std::regex_match(line, match, line_of))
      values[match[1]] = match[2];
  }
  return values;
}

void read_launcher(const Words& words, json& values, std::vector<std::string>& notes) {
  std::map<std::string, std::string> settings;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "--config_file") {
      settings = read_yaml(words[i + 1]);
      if (settings.empty()) {
        notes.push_back(fmt::format("{} is not here: if it asks for DeepSpeed ZeRO, set zero_stage",
                                    words[i + 1]));
      }
    }
    if (words[i] == "--num_processes" || words[i] == "--nproc_per_node")
      settings["num_processes"] = words[i + 1];
  }
  if (const auto stage = settings.find("zero_stage"); stage != settings.end()) {
    values["zero_stage"] = number("zero_stage", stage->second);
  }
  const auto count = settings.find("num_processes");
  if (count == settings.end() || count->second == "1") return;
  notes.push_back(
      fmt::format("the command starts {0} workers; here: torchrun --nproc-per-node {0} "
                  "--no-python gesso train <recipe>",
                  count->second));
}

// --- The recipe --------------------------------------------------------------------------------

std::string toml_of(const json& value) {
  if (!value.is_array()) return value.dump();
  std::string text = "[";
  for (const json& item : value) text += (text.size() > 1 ? ", " : "") + toml_of(item);
  return text + "]";
}

/// The pipeline that the models make up. What cannot be told stays in [train] as it was written.
std::string pipeline_of(json& values, const registry::Registry& registry,
                        std::vector<std::string>& notes) {
  Node document = parse_document(
      "[train]\n", std::make_shared<const Source>(Source{"the command line", ".", false}));
  for (const char* key :
       {"model_paths", "model_id_with_origin_paths", "template_model_id_or_path"}) {
    if (!values.contains(key)) continue;
    // JSON texts and lists are TOML, too.
    Node value =
        parse_document(fmt::format("{} = {}", key, toml_of(values[key])), document.place.source);
    document.find("train")->children.push_back(value.children.front());
  }
  Problems problems;
  const std::vector<NamedModel> models = add_named_models(document, registry, nullptr, problems);
  const Node* variant = document.find("variant");
  if (!variant || problems.any_error()) {
    notes.push_back(
        "which model this is cannot be told from the names of its files; set variant, and "
        "a path in [components] where one is asked for");
    return "variant = \"\"  # see `gesso variants`\n";
  }
  const auto& known = registry.variant(variant->scalar.get<std::string>());
  std::string text = fmt::format(
      "variant = {}\n", json(known.aliases.empty() ? known.name : known.aliases.front()).dump());
  if (const Node* components = document.find("components")) {
    for (const Node& table : components->children) {
      text += fmt::format("\n[components.{}]\n", table.key);
      for (const Node& entry : table.children) {
        text += fmt::format("{} = {}\n", entry.key, toml_of(entry.json()));
      }
    }
  }
  for (const char* key :
       {"model_paths", "model_id_with_origin_paths", "template_model_id_or_path"}) {
    values.erase(key);
  }
  // Components have names of their own now.
  const auto renamed = [&](std::string written) {
    for (const NamedModel& model : models) {
      if (written.starts_with(model.written)) {
        return attribute_of_role(model.role) + written.substr(model.written.size());
      }
    }
    return written;
  };
  for (const char* key : {"fp8_models", "offload_models"}) {
    if (!values.contains(key)) continue;
    json list = json::array();
    for (const std::string& written : split_list(values[key])) list.push_back(renamed(written));
    values[key] = list;
  }
  if (values.contains("quant_options")) {
    std::string options;
    const std::string written = values["quant_options"];
    for (size_t at = 0; at < written.size();) {
      const size_t end = std::min(written.find(';', at), written.size());
      if (end > at) options += (options.empty() ? "" : ";") + renamed(written.substr(at, end - at));
      at = end + 1;
    }
    values["quant_options"] = options;
  }
  return text;
}

void note_meanings(const json& values, std::vector<std::string>& notes) {
  for (const auto& [key, value] : values.items()) {
    const TrainRemark* remark = train_remark(key);
    if (remark) notes.push_back(fmt::format("{}: {}", key, remark->text));
  }
  if (values.contains("lora_base_model") && !values.contains("lora_target_modules")) {
    notes.push_back(
        "lora_target_modules is not given: the reference's default, "
        "\"q,k,v,o,ffn.0,ffn.2\", matches nothing in this family; here the wide linear "
        "layers of all blocks are taken");
  }
  const json targets = values.value("lora_target_modules", json());
  if (targets.is_string() && targets != "") {
    notes.push_back(
        fmt::format("lora_target_modules = {}: the reference takes a single name for an "
                    "expression over whole names; here it is one only if it has signs of "
                    "one, else the end of names",
                    targets.dump()));
  }
  const std::string optimizer = values.value("customized_optimizer", "");
  if (!optimizer.empty())
    notes.push_back("customized_optimizer: AdamW and its 8-bit form are there");
}

}  // namespace

std::vector<std::vector<std::string>> shell_commands(std::string_view text) {
  return Shell(text).commands();
}

ConvertedRecipe recipe_of_arguments(std::string_view text, const registry::Registry& registry) {
  const CommandLine command = find_command(text);
  ConvertedRecipe recipe;
  json values = read_arguments(command.arguments);
  read_launcher(command.launcher, values, recipe.notes);
  note_meanings(values, recipe.notes);
  std::string& toml = recipe.toml;
  toml = pipeline_of(values, registry, recipe.notes) + "\n[train]\n";
  for (const Param& param : train_params()) {
    if (values.contains(param.key))
      toml += fmt::format("{} = {}\n", param.key, toml_of(values[param.key]));
  }
  recipe.notes.push_back("relative paths start from the folder of the recipe");
  return recipe;
}

}  // namespace gesso::config
