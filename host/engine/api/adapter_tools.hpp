// What the library that computes does with files of adapters, opened when it is first needed.
#pragma once

#include "runtime/adapter_file.hpp"

namespace gesso::api {

/// @throws Error  as open_runtime_library
runtime::AdapterTools& open_adapter_tools();

}  // namespace gesso::api
