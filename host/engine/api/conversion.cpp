#include "engine/api/conversion.hpp"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "engine/api/byte_progress.hpp"
#include "engine/api/job_values.hpp"
#include "engine/api/weight_files.hpp"
#include "engine/weights/checkpoint_writer.hpp"
#include "engine/weights/convert_file.hpp"

namespace gesso::api {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kJob = "convert";

struct Request {
  fs::path input, output;
  std::string component;
  weights::ConvertOptions options;
};

void warn(Job& job, const std::string& text) {
  runtime::Event event;
  event.type = runtime::Event::Warning;
  event.text = text;
  job.emit(event);
}

void warn_of(const weights::ConvertResult& result, const std::string& format, Job& job) {
  if (!result.left.empty()) {
    warn(job, left_as_they_are(result.left, format));
  }
  if (!result.left_out.empty()) {
    warn(job,
         fmt::format("{} tensors that the component does not use are left out; the first is {}",
                     result.left_out.size(), result.left_out.front()));
  }
  if (result.requantised > 0) {
    warn(job, fmt::format("{} weights were quantised already: errors add up; the original file "
                          "gives a better result",
                          result.requantised));
  }
  if (result.decoded > 0) {
    warn(job, fmt::format("{} weights were decoded, because the file cannot hold their blocks",
                          result.decoded));
  }
}

json report_of(const Recognised& found, const weights::ConvertResult& result, double seconds) {
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
          {"bytes_after", result.bytes_after},
          {"seconds", seconds}};
}

json convert(const Request& request, const registry::Registry& registry, Job& job) {
  const auto start = std::chrono::steady_clock::now();
  const auto set = weights::WeightSet::open(request.input);
  refuse_input_as_output(set, request.output, kJob);
  const Recognised found = recognise_component(set, registry, request.component);
  ByteProgress progress(job, kJob);
  progress.start_stage();
  const auto result = weights::convert_file(
      set, *found.component->pattern, found.match, request.output, request.options,
      [&](uint64_t done, uint64_t total, const std::string& name) {
        job.check_cancelled();
        progress.show(done, total, name);
      });
  warn_of(result, request.options.rule.format, job);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return report_of(found, result, seconds.count());
}

}  // namespace

Job::Body conversion(std::shared_ptr<registry::Registry> registry, const json& values_json) {
  const JobValues values(kJob, values_json,
                         {"input", "output", "component", "layout", "prefix", "format",
                          "target_modules", "exclude_modules", "max_shard_size"});
  Request request{values.text("input", JobValues::Required),
                  values.text("output", JobValues::Required),
                  values.text("component"),
                  {}};
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
  return [registry = std::move(registry), request](Job& job) {
    return convert(request, *registry, job);
  };
}

}  // namespace gesso::api
