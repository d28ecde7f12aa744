#include "engine/api/outcome.hpp"

namespace gesso::api {

std::string_view name_of(Status status) {
  switch (status) {
    case Status::Ok:
      return "OK";
    case Status::Cancelled:
      return "CANCELLED";
    case Status::InvalidArgument:
      return "INVALID_ARGUMENT";
    case Status::NotFound:
      return "NOT_FOUND";
    case Status::NotSupported:
      return "NOT_SUPPORTED";
    case Status::OutOfMemory:
      return "OUT_OF_MEMORY";
    case Status::BadData:
      return "BAD_DATA";
    case Status::Incompatible:
      return "INCOMPATIBLE";
    case Status::BadState:
      return "BAD_STATE";
    case Status::Numeric:
      return "NUMERIC";
    case Status::Denied:
      return "DENIED";
    case Status::Internal:
      return "INTERNAL";
  }
  return "UNKNOWN";
}

}  // namespace gesso::api
