#include <fmt/format.h>

#include "cli/commands.hpp"
#include "gesso/host.h"

namespace gesso::cli {

app::Engine Common::engine() const {
  app::EngineSettings settings;
  settings.plugin_paths = plugin_paths;
  settings.trusted_plugins = trusted_plugins;
  settings.isolated_plugins = isolated_plugins;
  if (no_third_party) settings.flags |= GESSO_ENGINE_NO_THIRD_PARTY;
  if (writable_plugins) settings.flags |= GESSO_ENGINE_WRITABLE_PLUGINS;
  settings.threads = threads;
  settings.log = [least = verbose ? GESSO_LOG_DEBUG : GESSO_LOG_WARNING](int32_t level,
                                                                         const char* text) {
    if (level >= least) fmt::print(stderr, "{}\n", text);
  };
  return app::Engine(std::move(settings));
}

}  // namespace gesso::cli
