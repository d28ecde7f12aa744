// How something ended, as a value: what crosses from a job's thread to whoever asks.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "gesso/cpp/error.hpp"

namespace gesso::api {

struct Outcome {
  Status status = Status::Ok;
  std::string text;  // of the error

  void throw_if_failed() const {
    if (status != Status::Ok) throw Error(status, text);
  }
};

/// Runs `body`; every exception becomes an outcome, with its whole text.
template <class Body>
Outcome outcome_of(Body&& body) noexcept {
  try {
    body();
    return {};
  } catch (const Error& error) {
    return {error.status(), error.what()};
  } catch (const std::bad_alloc&) {
    return {Status::OutOfMemory, "out of memory"};
  } catch (const std::exception& error) {
    return {Status::Internal, error.what()};
  } catch (...) {
    return {Status::Internal, "an exception of unknown type"};
  }
}

/// "CANCELLED", as in the names of the C constants.
std::string_view name_of(Status status);

}  // namespace gesso::api
