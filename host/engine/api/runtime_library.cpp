#include "engine/api/runtime_library.hpp"

#define BOOST_DLL_USE_STD_FS
#include <fmt/format.h>
#include <boost/dll/shared_library.hpp>

#include <filesystem>
#include <system_error>

#include "engine/api/adapter_tools.hpp"
#include "engine/registry/search.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::api {
namespace {

namespace dll = boost::dll;

dll::shared_library load(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    throw Error(Status::NotFound,
                fmt::format("{}: the library that computes is not beside libgesso; is the "
                            "installation complete?",
                            path.string()));
  }
  try {
    return dll::shared_library(path, dll::load_mode::rtld_now | dll::load_mode::rtld_local);
  } catch (const std::system_error& error) {
    throw Error(Status::Incompatible,
                fmt::format("{}: the system cannot load it: {}; is libtorch installed?",
                            path.string(), error.what()));
  }
}

const dll::shared_library& runtime_library() {
  // Never destroyed: unloading would pull libtorch away under its own threads.
  static const dll::shared_library& library =
      *new dll::shared_library(load(registry::own_folder() / "libgesso_runtime.so"));
  return library;
}

}  // namespace

runtime::AdapterTools& open_adapter_tools() {
  return *runtime_library().get<std::remove_pointer_t<runtime::GetAdapterTools>>(
      runtime::kAdapterToolsSymbol)();
}

std::unique_ptr<runtime::Runtime> open_runtime_library(uint32_t threads) {
  const auto create = runtime_library().get<std::remove_pointer_t<runtime::CreateRuntime>>(
      runtime::kCreateRuntimeSymbol);
  return std::unique_ptr<runtime::Runtime>(create(threads));
}

}  // namespace gesso::api
