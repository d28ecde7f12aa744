#include "engine/api/synthesis.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/atomic_file.hpp"
#include "engine/base/suggest.hpp"
#include "engine/weights/synthesize.hpp"

namespace gesso::api {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kTextEncoder = "text_encoder";

struct Request {
  const registry::VariantInfo* variant;
  fs::path folder;
  int64_t text_layers;    // 0: as the variant says
  std::string tokenizer;  // may be empty
};

struct Part {
  std::string role;
  const registry::ComponentInfo* component;
  weights::Dimensions dimensions;
  json config;
};

void check_keys(const json& values) {
  const std::vector<std::string> known{"variant", "folder", "text_layers", "tokenizer"};
  for (const auto& [key, value] : values.items()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    throw Error(Status::InvalidArgument, fmt::format("synthesize: unknown value \"{}\"{}", key,
                                                     base::did_you_mean(key, known)));
  }
}

std::string text(const json& values, const char* key, bool required) {
  if (!values.contains(key) && !required) return {};
  if (!values.contains(key) || !values[key].is_string() || values[key] == "") {
    throw Error(Status::InvalidArgument,
                fmt::format("synthesize: the value \"{}\" must be a text", key));
  }
  return values[key];
}

int64_t layers(const json& values) {
  const json value = values.value("text_layers", json(0));
  const bool given = values.contains("text_layers");
  if (!value.is_number_integer() || (given && value.get<int64_t>() < 1)) {
    throw Error(Status::InvalidArgument,
                "synthesize: the value \"text_layers\" must be an integer of at least 1");
  }
  return value;
}

/// The file's own names for the number of layers follow the one that the caller wants.
void set_layers(Part& part, int64_t count) {
  for (auto& [name, number] : part.dimensions.counts) number = count;
  if (part.config.contains("num_hidden_layers")) part.config["num_hidden_layers"] = count;
}

std::vector<Part> parts_of(const registry::Registry& registry, const Request& request) {
  std::vector<Part> parts;
  for (const registry::Role& role : request.variant->roles) {
    const auto found = request.variant->synthetic.find(role.name);
    if (found == request.variant->synthetic.end()) continue;
    Part part{role.name, &registry.component(role.component), {}, found->value("config", json())};
    if (!part.component->pattern) continue;
    part.dimensions.sizes = found->value("sizes", std::map<std::string, int64_t>());
    part.dimensions.counts = found->value("counts", std::map<std::string, int64_t>());
    if (role.name == kTextEncoder && request.text_layers > 0) set_layers(part, request.text_layers);
    parts.push_back(std::move(part));
  }
  if (parts.empty()) {
    throw Error(Status::NotSupported,
                fmt::format("synthesize: the variant {} does not tell the sizes of its components "
                            "([synthetic] in {})",
                            request.variant->name, request.variant->file.string()));
  }
  return parts;
}

fs::path write_part(const Part& part, const fs::path& folder) {
  fs::create_directories(folder);
  const fs::path file = folder / "model.safetensors";
  weights::synthesize(*part.component->pattern, part.dimensions, file);
  if (part.config.is_object()) {
    base::write_file(folder / "config.json", part.config.dump(2) + "\n");
  }
  return file;
}

std::string pipeline_text(const Request& request, const std::vector<Part>& parts) {
  std::string text = fmt::format(
      "# Random weights with the sizes of {}: for measuring, not for pictures.\n"
      "variant = {}\n",
      request.variant->name, json(request.variant->id).dump());
  for (const Part& part : parts) {
    text += fmt::format("\n[components.{}]\npath = {}\n", part.role, json(part.role).dump());
  }
  if (!request.tokenizer.empty()) {
    text += fmt::format("\n[components.tokenizer]\npath = {}\n", json(request.tokenizer).dump());
  }
  return text;
}

void announce(Job& job, const Part& part, size_t number, size_t total) {
  runtime::Event event;
  event.type = runtime::Event::Step;
  event.stage = "synthesize";
  event.text = part.role;
  event.step = number;
  event.total = total;
  job.emit(event);
}

json write_all(const Request& request, const std::vector<Part>& parts, Job& job) {
  runtime::Event stage;
  stage.type = runtime::Event::Stage;
  stage.stage = "synthesize";
  job.emit(stage);
  json files = json::object();
  for (const Part& part : parts) {
    job.check_cancelled();
    files[part.role] = write_part(part, request.folder / part.role).string();
    announce(job, part, files.size(), parts.size());
  }
  const fs::path pipeline = request.folder / "pipeline.toml";
  base::write_file(pipeline, pipeline_text(request, parts));
  return {{"folder", request.folder.string()}, {"pipeline", pipeline.string()}, {"files", files}};
}

}  // namespace

Job::Body synthesis(std::shared_ptr<registry::Registry> registry, const json& values) {
  check_keys(values);
  std::string tokenizer = text(values, "tokenizer", false);
  if (!tokenizer.empty()) tokenizer = fs::absolute(tokenizer).string();
  const Request request{&registry->variant(text(values, "variant", true)),
                        fs::absolute(text(values, "folder", true)), layers(values), tokenizer};
  std::vector<Part> parts = parts_of(*registry, request);
  return [registry = std::move(registry), request, parts = std::move(parts)](Job& job) {
    return write_all(request, parts, job);
  };
}

}  // namespace gesso::api
