// What is wrong with a pipeline file, collected so that one look shows all of it.
#pragma once

#include <string>
#include <vector>

#include "engine/config/place.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {

enum class Severity { Error, Warning };

struct Problem {
  std::string where;  // "emoji.toml:12:9"; may be empty
  std::string text;
  Severity severity = Severity::Error;
  Status status = Status::InvalidArgument;

  std::string line() const { return where.empty() ? text : where + ": " + text; }
};

/// Problems of one stage, in the order of their places.
class Problems {
 public:
  void error(const Place& place, std::string text, Status status = Status::InvalidArgument);
  void warning(const Place& place, std::string text);

  bool any_error() const;
  /// Files in the order in which they were first blamed, then by line and column.
  std::vector<Problem> sorted() const;

  /// @throws Error  with the status of the first error and all errors, one per line, if there is
  /// any
  void throw_if_any() const;

 private:
  struct Entry {
    Place place;
    Problem problem;
  };
  std::vector<Entry> entries_;
};

}  // namespace gesso::config
