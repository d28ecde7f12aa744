#include "engine/api/conversion.hpp"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "engine/api/byte_progress.hpp"
#include "engine/api/job_values.hpp"
#include "engine/api/lora_jobs.hpp"
#include "engine/api/weight_files.hpp"
#include "engine/weights/checkpoint_writer.hpp"
#include "engine/weights/convert_file.hpp"

namespace gesso::api {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kJob = "convert";

struct Request {
  fs::path input, output, base;
  std::string component;
  weights::ConvertOptions options;
  std::vector<LoraInput> loras;  // that are added to the input
  double scale = 1;              // of an input that is a LoRA
  int64_t rank = 0;
  bool allow_unmatched = false;
};

void warn_of(const weights::ConvertResult& result, const std::string& format, Job& job) {
  if (!result.left.empty()) {
    job.warn(left_as_they_are(result.left, format));
  }
  if (!result.left_out.empty()) {
    job.warn(fmt::format("{} tensors that the component does not use are left out; the first is {}",
                         result.left_out.size(), result.left_out.front()));
  }
  if (result.requantised > 0) {
    job.warn(
        fmt::format("{} weights were quantised already: errors add up; the original file "
                    "gives a better result",
                    result.requantised));
  }
  if (result.decoded > 0) {
    job.warn(fmt::format("{} weights were decoded, because the file cannot hold their blocks",
                         result.decoded));
  }
}

json report_of(const Recognised& found, const weights::ConvertResult& result) {
  json files = json::array();
  for (const fs::path& file : result.files) files.push_back(file.string());
  return {{"files", files},
          {"component", found.component->id},
          {"from", {{"layout", found.match.layout}, {"prefix", found.match.prefix}}},
          {"to", {{"layout", result.layout}, {"prefix", result.prefix}}},
          {"tensors", result.tensors},
          {"stored", result.stored},
          {"decoded", result.decoded},
          {"requantised", result.requantised},
          {"left", result.left},
          {"left_out", result.left_out},
          {"bytes_before", result.bytes_before},
          {"bytes_after", result.bytes_after}};
}

json convert_weights(const Request& request, const weights::WeightSet& set, const LoraWork& work) {
  const Recognised found = recognise_component(set, *work.registry, request.component);
  weights::WeightEdit edit;
  if (!request.loras.empty()) {
    edit = merging(work, request.loras, found, set, request.allow_unmatched);
  }
  ByteProgress progress(work.job, kJob);
  progress.start_stage();
  const auto result = weights::convert_file(
      set, *found.component->pattern, found.match, request.output, request.options,
      [&](uint64_t done, uint64_t total, const std::string& name) {
        work.job.check_cancelled();
        progress.show(done, total, name);
      },
      edit);
  warn_of(result, request.options.rule.format, work.job);
  json report = report_of(found, result);
  report["merged"] = request.loras.size();
  return report;
}

/// What only weights have must not be given for a LoRA.
void refuse_for_lora(const Request& request) {
  const auto refuse = [](const char* what) {
    throw Error(Status::InvalidArgument, fmt::format("convert: {} means nothing for a LoRA", what));
  };
  const weights::ConvertOptions& options = request.options;
  if (weights::is_gguf(request.output)) refuse("a file that ends with .gguf");
  if (options.prefix) refuse("prefix");
  if (options.max_shard_bytes > 0) refuse("max_shard_size");
  if (!options.rule.target_modules.empty()) refuse("target_modules");
  if (!options.rule.exclude_modules.empty()) refuse("exclude_modules");
}

json convert(const Request& request, const LoraWork& work) {
  const auto set = weights::WeightSet::open(request.input);
  refuse_input_as_output(set, request.output, kJob);
  const LoraOptions lora{request.output,         request.component,
                         request.options.layout, request.options.rule.format,
                         request.rank,           request.allow_unmatched};
  if (!request.base.empty()) {
    refuse_for_lora(request);
    return extract_lora(work, set, request.base, lora);
  }
  if (is_adapter(set, *work.registry)) {
    refuse_for_lora(request);
    std::vector<LoraInput> all{{request.input, request.scale}};
    all.insert(all.end(), request.loras.begin(), request.loras.end());
    return convert_loras(work, all, lora);
  }
  if (request.rank > 0 || request.scale != 1) {
    throw Error(Status::InvalidArgument,
                fmt::format("convert: {}: is no LoRA; {} means nothing for weights", set.describe(),
                            request.rank > 0 ? "rank" : "scale"));
  }
  return convert_weights(request, set, work);
}

std::vector<LoraInput> read_loras(const JobValues& values) {
  std::vector<LoraInput> loras;
  for (const std::string& path : values.texts("loras")) loras.push_back({path, 1.0});
  const std::vector<double> scales = values.reals("lora_scales");
  if (scales.size() > loras.size() || (!scales.empty() && scales.size() != loras.size())) {
    throw Error(Status::InvalidArgument,
                fmt::format("convert: lora_scales: expected as many as loras ({}), found {}",
                            loras.size(), scales.size()));
  }
  for (size_t i = 0; i < scales.size(); ++i) loras[i].scale = scales[i];
  return loras;
}

}  // namespace

Job::Body conversion(std::shared_ptr<registry::Registry> registry,
                     std::function<runtime::AdapterTools&()> tools, const json& values_json) {
  const JobValues values(kJob, values_json,
                         {"input", "output", "component", "layout", "prefix", "format",
                          "target_modules", "exclude_modules", "max_shard_size", "loras",
                          "lora_scales", "scale", "base", "rank", "allow_unmatched"});
  Request request;
  request.input = values.text("input", JobValues::Required);
  request.output = values.text("output", JobValues::Required);
  request.base = values.text("base");
  request.component = values.text("component");
  request.loras = read_loras(values);
  request.scale = values.real("scale", 1.0);
  request.rank = values.integer("rank", 0, 0, 65536);
  request.allow_unmatched = values.flag("allow_unmatched");
  request.options.layout = values.text("layout");
  if (values.has("prefix")) request.options.prefix = values.text("prefix");
  request.options.rule = {values.text("format"), values.texts("target_modules"),
                          values.texts("exclude_modules")};
  request.options.max_shard_bytes = read_size(values.text("max_shard_size"));
  const auto& rule = request.options.rule;
  weights::is_gguf(request.output);  // what is wrong is refused at once
  if (!rule.format.empty()) {
    weights::storage_format(rule.format);
  } else if (!rule.target_modules.empty() || !rule.exclude_modules.empty()) {
    throw Error(Status::InvalidArgument,
                "convert: target_modules and exclude_modules need a format");
  }
  if (!request.base.empty() && request.rank == 0) {
    throw Error(Status::InvalidArgument, "convert: base needs a rank for the LoRA, such as 32");
  }
  if (!request.base.empty() && !request.loras.empty()) {
    throw Error(Status::InvalidArgument, "convert: base and loras: expected one of them");
  }
  return [registry = std::move(registry), tools = std::move(tools), request](Job& job) {
    const auto start = std::chrono::steady_clock::now();
    json report = convert(request, {registry, tools, job});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    report["seconds"] = seconds.count();
    return report;
  };
}

}  // namespace gesso::api
