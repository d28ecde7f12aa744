#include "engine/registry/isolating.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "engine/registry/registered.hpp"
#include "engine/registry/search.hpp"
#include "gesso/cpp/error.hpp"
#include "isolation/proxy.hpp"

namespace gesso::registry {
namespace {

namespace fs = std::filesystem;

/// The program is beside the plugins that came with this build.
fs::path program() {
  for (const fs::path& plugins : default_folders()) {
    fs::path file = plugins.parent_path() / "gesso-plugin-host";
    if (fs::exists(file)) return file;
  }
  throw Error(Status::NotFound,
              "gesso-plugin-host, in which plugins are isolated, is not beside the folder of "
              "plugins; is the installation complete?");
}

std::vector<std::string> environment(uint32_t threads) {
  std::vector<std::string> variables;
  if (threads > 0) variables.push_back(fmt::format("OMP_NUM_THREADS={}", threads));
  // As libgesso_runtime, a plugin finds libtorch in a folder beside the library.
  if (const fs::path libtorch = own_folder() / "libtorch"; fs::exists(libtorch)) {
    const char* before = std::getenv("LD_LIBRARY_PATH");
    variables.push_back(fmt::format("LD_LIBRARY_PATH={}{}{}", libtorch.string(), before ? ":" : "",
                                    before ? before : ""));
  }
  return variables;
}

}  // namespace

bool names(const std::vector<std::string>& ids, const ComponentInfo& component) {
  return std::ranges::any_of(
      ids, [&](const std::string& id) { return id == component.id || id == component.plugin_id; });
}

gesso_component_t* create_isolated(const PluginInfo& plugin, const ComponentInfo& component,
                                   const Isolation& isolation, const gesso_host_t* host) {
  if (registered_entry(plugin.library))
    throw Error(Status::NotSupported,
                fmt::format("{}: code of the application itself cannot run in a child process",
                            component.id));
  isolation::Options options;
  options.program = program();
  options.library = plugin.library;
  options.sha256 = plugin.sha256;
  options.component = component.id;
  options.kind = component.kind;
  options.interfaces = component.interfaces;
  options.environment = environment(isolation.threads);
  return isolation::open_proxy(std::move(options), host);
}

}  // namespace gesso::registry
