#include "engine/api/quantization.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/api/weight_files.hpp"
#include "engine/base/suggest.hpp"
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

void check_keys(const json& values) {
  const std::vector<std::string> known{"input",          "output",          "format",
                                       "target_modules", "exclude_modules", "architecture"};
  for (const auto& [key, value] : values.items()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    throw Error(Status::InvalidArgument, fmt::format("quantize: unknown value \"{}\"{}", key,
                                                     base::did_you_mean(key, known)));
  }
}

std::string text(const json& values, const char* key, bool required) {
  if (!values.contains(key) && !required) return {};
  if (!values.contains(key) || !values[key].is_string() || values[key] == "") {
    throw Error(Status::InvalidArgument,
                fmt::format("quantize: the value \"{}\" must be a text", key));
  }
  return values[key];
}

std::vector<std::string> texts(const json& values, const char* key) {
  const json list = values.value(key, json::array());
  const bool all_texts =
      list.is_array() && std::ranges::all_of(list, [](const json& v) { return v.is_string(); });
  if (all_texts) return list;
  throw Error(Status::InvalidArgument,
              fmt::format("quantize: the value \"{}\" must be a list of texts", key));
}

void announce(Job& job, runtime::Event::Type type, const std::string& what, size_t step,
              size_t total) {
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
  announce(job, runtime::Event::Stage, "", 0, 0);
  const auto result =
      weights::quantize_file(set, request.output, request.options,
                             [&](const std::string& name, size_t done, size_t total) {
                               job.check_cancelled();
                               announce(job, runtime::Event::Step, name, done + 1, total);
                             });
  if (!result.left.empty()) {
    announce(job, runtime::Event::Warning,
             left_as_they_are(result.left, request.options.rule.format), 0, 0);
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

Job::Body quantization(const json& values) {
  check_keys(values);
  Request request{text(values, "input", true), text(values, "output", true), {}};
  request.options.rule = {text(values, "format", true), texts(values, "target_modules"),
                          texts(values, "exclude_modules")};
  request.options.architecture = text(values, "architecture", false);
  weights::storage_format(request.options.rule.format);  // an unknown one is refused at once
  return [request](Job& job) { return quantise(request, job); };
}

}  // namespace gesso::api
