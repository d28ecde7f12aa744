#include "engine/api/picture_text.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <string>

namespace gesso::api {

using nlohmann::json;

namespace {

std::string plain(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// In the form that other programs write under "parameters": prompts first, then one line.
std::string for_people(const json& metadata) {
  const json& generate = metadata.at("generate");
  std::string text = plain(generate.at("prompt"));
  const std::string negative = plain(generate.at("negative_prompt"));
  if (!negative.empty()) text += "\nNegative prompt: " + negative;
  return text + fmt::format(
                    "\nSteps: {}, CFG scale: {}, Seed: {}, Size: {}x{}, Model: {}, "
                    "Version: gesso {}",
                    plain(generate.at("num_inference_steps")), plain(generate.at("cfg_scale")),
                    plain(generate.at("seed")), plain(generate.at("width")),
                    plain(generate.at("height")), plain(metadata.at("variant")),
                    plain(metadata.at("version")));
}

}  // namespace

json file_metadata(const config::PipelinePlan& plan) {
  json files = json::object();
  for (const config::ComponentPlan& component : plan.components) {
    for (const auto& file : component.files) {
      files[component.role].push_back(file.filename().string());
    }
  }
  return {{"pipeline", plan.name}, {"files", files}, {"version", GESSO_VERSION}};
}

std::vector<image::TextEntry> picture_texts(const json& metadata) {
  return {{"gesso", metadata.dump()},
          {"parameters", for_people(metadata)},
          {"seed", plain(metadata.at("generate").at("seed"))}};
}

}  // namespace gesso::api
