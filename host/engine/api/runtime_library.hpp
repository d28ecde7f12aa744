// The library that computes, opened when it is first needed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "runtime/runtime.hpp"

namespace gesso::api {

/// Makes a runtime; `threads` 0: the cores of the machine.
using RuntimeFactory = std::function<std::unique_ptr<runtime::Runtime>(uint32_t threads)>;

/// Opens libgesso_runtime.so in the folder of this library, once; it stays loaded as long as the
/// process lives, because libtorch does not survive being unloaded.
/// @throws Error  NotFound when the file is not there; Incompatible with the system's text when it
///                cannot be loaded
std::unique_ptr<runtime::Runtime> open_runtime_library(uint32_t threads);

}  // namespace gesso::api
