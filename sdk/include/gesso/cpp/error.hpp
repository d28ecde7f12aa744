// Errors on the C++ side, and the two functions that carry them over the C boundary.
#pragma once

#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "../status.h"

namespace gesso {

enum class Status : gesso_status_t {
  Ok = GESSO_STATUS_OK,
  Cancelled = GESSO_STATUS_CANCELLED,
  InvalidArgument = GESSO_STATUS_INVALID_ARGUMENT,
  NotFound = GESSO_STATUS_NOT_FOUND,
  NotSupported = GESSO_STATUS_NOT_SUPPORTED,
  OutOfMemory = GESSO_STATUS_OUT_OF_MEMORY,
  BadData = GESSO_STATUS_BAD_DATA,
  Incompatible = GESSO_STATUS_INCOMPATIBLE,
  BadState = GESSO_STATUS_BAD_STATE,
  Numeric = GESSO_STATUS_NUMERIC,
  Denied = GESSO_STATUS_DENIED,
  Internal = GESSO_STATUS_INTERNAL,
};

/// The exception of Gesso's C++ code. The text says what was expected, what was found, where, and
/// the likely cause.
class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& text) : std::runtime_error(text), status_(status) {}
  Status status() const { return status_; }

 private:
  Status status_;
};

/// Writes `text` into `error` (which may be null), cut to its capacity.
inline gesso_status_t fill_error(gesso_error_t* error, Status status, const char* text) noexcept {
  if (error) {
    error->status = static_cast<gesso_status_t>(status);
    error->length = static_cast<uint32_t>(std::strlen(text));
    if (error->text && error->capacity) {
      const uint32_t kept = error->length < error->capacity ? error->length : error->capacity - 1;
      std::memcpy(error->text, text, kept);
      error->text[kept] = 0;
    }
  }
  return static_cast<gesso_status_t>(status);
}

/// Outward: runs `body` and turns every exception into a status and a text.
template <class Body>
gesso_status_t guard(gesso_error_t* error, Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
    if (error) error->status = GESSO_STATUS_OK;
    return GESSO_STATUS_OK;
  } catch (const Error& e) {
    return fill_error(error, e.status(), e.what());
  } catch (const std::bad_alloc&) {
    return fill_error(error, Status::OutOfMemory, "out of memory");
  } catch (const std::exception& e) {
    return fill_error(error, Status::Internal, e.what());
  } catch (...) {
    return fill_error(error, Status::Internal, "an exception of unknown type");
  }
}

/// Room for the text of a failing call; hand `&text.error` to it and then `check` the status.
struct ErrorText {
  std::string buffer = std::string(4096, '\0');
  gesso_error_t error = GESSO_ERROR_INIT(buffer.data(), buffer.size());
  ErrorText() = default;
  ErrorText(const ErrorText&) = delete;
  ErrorText& operator=(const ErrorText&) = delete;
  std::string text() const {
    return error.length ? std::string(buffer.c_str()) : std::string("no text was given");
  }
};

/// Inward: throws `Error` when a call over the C boundary failed.
inline void check(gesso_status_t status, const ErrorText& text, const std::string& where = {}) {
  if (status == GESSO_STATUS_OK) return;
  throw Error(static_cast<Status>(status),
              where.empty() ? text.text() : where + ": " + text.text());
}

}  // namespace gesso
