#include "cli/new.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <regex>

#include "cli/exit_code.hpp"
#include "cli/overrides.hpp"
#include "cli/text_file.hpp"

namespace gesso::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExamples = R"(Examples:
  gesso new plugin --kind denoiser --lang c++ dreamer
  gesso new plugin --kind scheduler --lang c ~/plugins/spiral --id com.acme.spiral
In C++: all kinds. In C: scheduler, memory_policy, preprocessor, denoiser. In Rust: scheduler.
docs/plugins/ has a chapter for each kind.)";

/// A language as users write it: the folder of its build files, and the ending of its sources.
struct Language {
  std::string folder, ending;
};
const std::map<std::string, Language> kLanguages{
    {"c", {"c", ".c"}}, {"c++", {"cpp", ".cpp"}}, {"rust", {"rust", ".rs"}}};

fs::path template_folder() {
  const fs::path samples = fs::path(demo_pipeline()).parent_path().parent_path();
  const fs::path folder = samples.parent_path() / "template";
  if (fs::exists(folder)) return folder;
  throw Error(Status::NotFound,
              fmt::format("the templates are not installed ({})", folder.string()));
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// "my_plugin" is "MyPlugin".
std::string camel_case(const std::string& name) {
  std::string made;
  bool start = true;
  for (const char c : name) {
    if (c != '_') made += start && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    start = c == '_';
  }
  return made;
}

class NewPlugin {
 public:
  void add_options(CLI::App* command) {
    command->add_option("folder", folder_, "Where to make it; its name is the plugin's")
        ->required()
        ->type_name("DIR");
    command->add_option("--kind", kind_, "What it offers")
        ->required()
        ->check(CLI::IsMember(std::vector<std::string>{
            "tokenizer", "text_encoder", "image_encoder", "codec", "denoiser", "composer",
            "controller", "delta_source", "delta_generator", "preprocessor", "scheduler",
            "memory_policy"}));
    command->add_option("--lang", language_, "c, c++ or rust")
        ->check(CLI::IsMember(std::vector<std::string>{"c", "c++", "rust"}))
        ->capture_default_str();
    command->add_option("--id", id_, "The plugin's id; default: org.example.NAME")->type_name("ID");
  }

  void execute() {
    const fs::path folder = fs::absolute(folder_).lexically_normal();
    name_ = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
    check_names();
    if (fs::exists(folder) && !fs::is_empty(folder))
      throw Exit(kWrongRequest, fmt::format("{} is there and not empty", folder.string()));
    const std::vector<fs::path> files = template_files();
    fs::create_directories(folder);
    for (const fs::path& from : files) {
      const fs::path to = folder / filled(from.filename().string());
      std::ofstream(to, std::ios::binary) << filled(read_text(from));
      if (!fs::exists(to)) throw Error(Status::Denied, "cannot write " + to.string());
      fmt::print("{}\n", to.string());
    }
    fmt::print(stderr, "Read {} next: it builds, and paints.\n", (folder / "README.md").string());
  }

 private:
  void check_names() {
    static const std::regex word("[a-z][a-z0-9_]*"), id(R"([a-z][a-z0-9_]*(\.[a-z0-9_]+)+)");
    if (!std::regex_match(name_, word))
      throw Exit(
          kWrongRequest,
          fmt::format(
              "\"{}\" cannot be a plugin's name; expected a folder whose name has lower-case "
              "letters, digits and _ only, such as my_plugin",
              name_));
    if (id_.empty()) id_ = "org.example." + name_;
    if (!std::regex_match(id_, id))
      throw Exit(kWrongRequest,
                 fmt::format("--id: \"{}\" is no id; expected lower case with dots, com.acme.{}",
                             id_, name_));
  }

  /// The README, those of the language, and those of the kind; of sources, those of the language.
  std::vector<fs::path> template_files() const {
    const fs::path templates = template_folder();
    const Language& language = kLanguages.at(language_);
    std::vector<fs::path> files{templates / "README.md"};
    add_files(files, templates / language.folder);
    const bool is_module =
        read_text(templates / kind_ / "my_plugin.gesso.toml").find("gesso.module/1") !=
        std::string::npos;
    if (is_module && fs::exists(templates / language.folder / "module")) {
      add_files(files, templates / language.folder / "module");
    }
    const fs::path source = templates / kind_ / ("my_plugin" + language.ending);
    if (!fs::exists(source)) {
      throw Exit(kWrongRequest,
                 fmt::format("there is no template of a {} in {}; take c++", kind_, language_));
    }
    add_files(files, source.parent_path());
    return files;
  }

  void add_files(std::vector<fs::path>& files, const fs::path& folder) const {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string ending = entry.path().extension().string();
      const bool is_source = ending == ".c" || ending == ".cpp" || ending == ".rs";
      if (!entry.is_regular_file()) continue;
      if (!is_source || ending == kLanguages.at(language_).ending) files.push_back(entry.path());
    }
  }

  std::string filled(std::string text) const {
    text = replaced(std::move(text), "org.example.my_plugin", id_);
    text = replaced(std::move(text), "my_plugin", name_);
    text = replaced(std::move(text), "MyPlugin", camel_case(name_));
    text = replaced(std::move(text), "@KIND@", kind_);
    return replaced(std::move(text), "@EMOJI@", fs::path(demo_pipeline()).parent_path().string());
  }

  std::string folder_, name_, kind_, language_ = "c++", id_;
};

}  // namespace

void add_new(CLI::App& app) {
  CLI::App* command = app.add_subcommand("new", "A plugin to start from");
  command->footer(kExamples);
  command->require_subcommand(1);
  CLI::App* plugin = command->add_subcommand(
      "plugin", "Source, build file, manifest, README, and a pipeline that uses it");
  plugin->footer(kExamples);
  auto shared = std::make_shared<NewPlugin>();
  shared->add_options(plugin);
  plugin->callback([shared] { shared->execute(); });
}

}  // namespace gesso::cli
