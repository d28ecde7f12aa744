#include "cli/overrides.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "engine/base/json_text.hpp"
#include "gesso/cpp/engine.hpp"

namespace gesso::cli {

namespace fs = std::filesystem;
using nlohmann::json;

std::string demo_pipeline() {
  const fs::path program = fs::canonical("/proc/self/exe");
  const fs::path demo =
      program.parent_path().parent_path() / "share/gesso/samples/emoji/emoji.toml";
  if (fs::exists(demo)) return demo.string();
  throw Error(Status::NotFound,
              fmt::format("the demo is not installed ({}); name a pipeline file", demo.string()));
}

json parameters_of(const std::string& picture) {
  const std::string text = app::Picture::load(picture).text("gesso");
  json parameters = base::parse_json(text);
  if (parameters.is_object() && parameters.contains("generate")) return parameters;
  throw Error(
      Status::BadData,
      fmt::format("{}: there are no parameters of Gesso in this picture; expected a PNG that "
                  "`gesso run` wrote (other formats and editors drop them)",
                  picture));
}

std::string pipeline_of(const json& parameters) {
  const std::string path = parameters.value("pipeline", "");
  if (fs::exists(path)) return path;
  throw Error(
      Status::NotFound,
      fmt::format("the pipeline file \"{}\" that made the picture is not there; name one", path));
}

std::vector<std::string> overrides_from(const json& parameters) {
  std::vector<std::string> list;
  for (const auto& [key, value] : parameters.at("generate").items()) {
    list.push_back(fmt::format("generate.{}={}", key, value.dump()));  // JSON values are TOML, too
  }
  list.push_back("generate.num_images=1");
  return list;
}

}  // namespace gesso::cli
