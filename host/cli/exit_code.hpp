// 0: done. 1: the run failed. 2: the request was wrong.
#pragma once

#include <stdexcept>
#include <string>

#include "gesso/cpp/error.hpp"

namespace gesso::cli {

enum ExitCode { kDone = 0, kRunFailed = 1, kWrongRequest = 2 };

/// Ends the program with a code of its own; the text, if any, goes to stderr.
class Exit : public std::runtime_error {
 public:
  explicit Exit(ExitCode code, const std::string& text = {})
      : std::runtime_error(text), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// @param computing  the request was accepted: a file that cannot be written is no longer its fault
inline ExitCode exit_code(Status status, bool computing = false) {
  switch (status) {
    case Status::InvalidArgument:
    case Status::NotFound:
    case Status::NotSupported:
    case Status::BadData:
    case Status::Incompatible:
      return kWrongRequest;
    case Status::Denied:
      return computing ? kRunFailed : kWrongRequest;
    default:
      return kRunFailed;
  }
}

}  // namespace gesso::cli
