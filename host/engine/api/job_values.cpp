#include "engine/api/job_values.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/suggest.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::api {

using nlohmann::json;

JobValues::JobValues(std::string job, const json& values, std::initializer_list<const char*> known)
    : job_(std::move(job)), values_(values) {
  const std::vector<std::string> keys(known.begin(), known.end());
  for (const auto& [key, value] : values.items()) {
    if (keys.empty() || std::ranges::find(keys, key) != keys.end()) continue;
    throw Error(Status::InvalidArgument, fmt::format("{}: unknown value \"{}\"{}", job_, key,
                                                     base::did_you_mean(key, keys)));
  }
}

void JobValues::fail(const char* key, const std::string& expected) const {
  const std::string found = values_.contains(key) ? values_[key].dump() : "none";
  throw Error(Status::InvalidArgument,
              fmt::format("{}: the value \"{}\" must be {}, found {}", job_, key, expected, found));
}

std::string JobValues::text(const char* key, bool required) const {
  if (!has(key) && !required) return {};
  if (!has(key) || !values_[key].is_string() || (required && values_[key] == "")) {
    fail(key, "a text");
  }
  return values_[key];
}

std::vector<std::string> JobValues::texts(const char* key, bool required) const {
  if (!has(key) && !required) return {};
  if (has(key) && values_[key].is_string()) return {values_[key]};
  const bool good =
      has(key) && values_[key].is_array() &&
      std::ranges::all_of(values_[key], [](const json& item) { return item.is_string(); });
  if (!good || (required && values_[key].empty())) fail(key, "a text or a list of texts");
  return values_[key];
}

int64_t JobValues::integer(const char* key, int64_t preset, int64_t min, int64_t max) const {
  if (!has(key)) return preset;
  const json& value = values_[key];
  if (!value.is_number_integer() || value.get<int64_t>() < min || value.get<int64_t>() > max) {
    fail(key, fmt::format("an integer from {} to {}", min, max));
  }
  return value;
}

double JobValues::real(const char* key, double preset) const {
  if (!has(key)) return preset;
  if (!values_[key].is_number()) fail(key, "a number");
  return values_[key];
}

std::vector<double> JobValues::reals(const char* key) const {
  if (!has(key)) return {};
  if (values_[key].is_number()) return {values_[key].get<double>()};
  const bool good =
      values_[key].is_array() &&
      std::ranges::all_of(values_[key], [](const json& item) { return item.is_number(); });
  if (!good) fail(key, "a number or a list of numbers");
  return values_[key];
}

bool JobValues::flag(const char* key) const {
  if (!has(key)) return false;
  if (!values_[key].is_boolean()) fail(key, "true or false");
  return values_[key];
}

}  // namespace gesso::api
