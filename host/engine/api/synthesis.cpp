#include "engine/api/synthesis.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/api/job_values.hpp"
#include "engine/base/atomic_file.hpp"
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
  int64_t lora_rank;      // 0: no LoRA
  std::string tokenizer;  // may be empty
};

struct Part {
  std::string role;
  const registry::ComponentInfo* component;
  weights::Dimensions dimensions;
  json config;
};

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

/// A tensor that every file of the pattern has, with fixed extents.
weights::TensorPattern fixed(const std::string& name, const std::vector<int64_t>& shape) {
  weights::TensorPattern pattern;
  pattern.text = name;
  pattern.literals = {name};
  for (const int64_t extent : shape) pattern.shape.emplace_back().factor = extent;
  return pattern;
}

/// A LoRA on every matrix of the denoiser's attentions and feed-forwards, in PEFT's names.
fs::path write_lora(const Request& request, const std::vector<Part>& parts) {
  const auto denoiser = std::ranges::find(parts, "denoiser", &Part::role);
  if (denoiser == parts.end()) {
    throw Error(Status::NotSupported, "synthesize: lora_rank: the variant has no denoiser");
  }
  weights::ComponentPattern lora;
  lora.id = "lora";
  constexpr std::string_view kSuffix = ".weight";
  for (const weights::NamedShape& tensor :
       weights::expand(*denoiser->component->pattern, denoiser->dimensions)) {
    const bool is_target = tensor.name.find(".attention.to_") != std::string::npos ||
                           tensor.name.find(".feed_forward.") != std::string::npos;
    if (!is_target || tensor.shape.size() != 2) continue;
    const std::string module = tensor.name.substr(0, tensor.name.size() - kSuffix.size());
    lora.tensors.push_back(fixed(module + ".lora_A.weight", {request.lora_rank, tensor.shape[1]}));
    lora.tensors.push_back(fixed(module + ".lora_B.weight", {tensor.shape[0], request.lora_rank}));
  }
  const fs::path file = request.folder / fmt::format("lora-rank-{}.safetensors", request.lora_rank);
  weights::synthesize(lora, {}, file);
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
  if (request.lora_rank > 0) files["lora"] = write_lora(request, parts).string();
  return {{"folder", request.folder.string()}, {"pipeline", pipeline.string()}, {"files", files}};
}

}  // namespace

Job::Body synthesis(std::shared_ptr<registry::Registry> registry, const json& values_json) {
  constexpr int64_t kMost = 65536;
  const JobValues values("synthesize", values_json,
                         {"variant", "folder", "text_layers", "tokenizer", "lora_rank"});
  std::string tokenizer = values.text("tokenizer");
  if (!tokenizer.empty()) tokenizer = fs::absolute(tokenizer).string();
  const Request request{&registry->variant(values.text("variant", JobValues::Required)),
                        fs::absolute(values.text("folder", JobValues::Required)),
                        values.integer("text_layers", 0, 0, kMost),
                        values.integer("lora_rank", 0, 0, kMost), tokenizer};
  std::vector<Part> parts = parts_of(*registry, request);
  return [registry = std::move(registry), request, parts = std::move(parts)](Job& job) {
    return write_all(request, parts, job);
  };
}

}  // namespace gesso::api
