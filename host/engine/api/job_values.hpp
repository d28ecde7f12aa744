// The values of a job that needs no pipeline, read by key and checked.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace gesso::api {

/// All functions throw Error InvalidArgument, naming job, key, what was expected and found.
class JobValues {
 public:
  static constexpr bool Required = true;

  /// `values` is borrowed. With `known`, other keys are an error, with the nearest one as advice.
  JobValues(std::string job, const nlohmann::json& values,
            std::initializer_list<const char*> known = {});

  /// "" when it is not given.
  std::string text(const char* key, bool required = false) const;
  /// One text or a list of them; none when it is not given.
  std::vector<std::string> texts(const char* key, bool required = false) const;
  int64_t integer(const char* key, int64_t preset, int64_t min, int64_t max) const;
  double real(const char* key, double preset) const;
  std::vector<double> reals(const char* key) const;
  bool flag(const char* key) const;
  bool has(const char* key) const { return values_.contains(key); }

 private:
  [[noreturn]] void fail(const char* key, const std::string& expected) const;

  std::string job_;
  const nlohmann::json& values_;
};

}  // namespace gesso::api
