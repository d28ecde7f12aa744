#include "engine/api/quantization.hpp"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/api/job_values.hpp"
#include "engine/api/weight_files.hpp"
#include "engine/weights/quantize_file.hpp"

namespace gesso::api {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kStage = "quantize";

struct Request {
  fs::path input, output;
  weights::QuantizeOptions options;
};

void announce(Job& job, runtime::Event::Type type, const std::string& what = "", size_t step = 0,
              size_t total = 0) {
  runtime::Event event;
  event.type = type;
  event.stage = kStage;
  event.text = what;
  event.step = step;
  event.total = total;
  job.emit(event);
}

json quantise(const Request& request, Job& job) {
  const auto start = std::chrono::steady_clock::now();
  const auto set = weights::WeightSet::open(request.input);
  refuse_input_as_output(set, request.output, kStage);
  announce(job, runtime::Event::Stage);
  const auto result =
      weights::quantize_file(set, request.output, request.options,
                             [&](const std::string& name, size_t done, size_t total) {
                               job.check_cancelled();
                               announce(job, runtime::Event::Step, name, done + 1, total);
                             });
  if (!result.left.empty()) {
    job.warn(left_as_they_are(result.left, request.options.rule.format));
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return {{"output", request.output.string()},
          {"format", weights::name_of(weights::storage_format(request.options.rule.format))},
          {"quantised", result.quantised},
          {"kept", result.kept},
          {"left", result.left},
          {"bytes_before", result.bytes_before},
          {"bytes_after", result.bytes_after},
          {"error", result.error},
          {"decode_seconds", result.decode_seconds},
          {"seconds", seconds.count()}};
}

}  // namespace

Job::Body quantization(const json& values_json) {
  const JobValues values(
      kStage, values_json,
      {"input", "output", "format", "target_modules", "exclude_modules", "architecture"});
  Request request{
      values.text("input", JobValues::Required), values.text("output", JobValues::Required), {}};
  request.options.rule = {values.text("format", JobValues::Required),
                          values.texts("target_modules"), values.texts("exclude_modules")};
  request.options.architecture = values.text("architecture");
  weights::storage_format(request.options.rule.format);  // an unknown one is refused at once
  return [request](Job& job) { return quantise(request, job); };
}

}  // namespace gesso::api
