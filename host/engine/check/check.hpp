// Components whose every call is held against the rules of the headers: GESSO_CHECK=1
// (docs/plugins/checking.md). Who does not ask for it pays nothing: no table is touched.
#pragma once

#include <memory>

#include "engine/check/object.hpp"
#include "gesso/plugin.h"

namespace gesso::checking {

/// As `plugin.create`, but what comes back stands for the component, and it is given something that
/// stands for the host. `host` must outlive the component.
gesso_status_t create(std::shared_ptr<Watcher> watcher, const gesso_plugin_t& plugin,
                      const gesso_host_t& host, const char* id, gesso_component_t** out,
                      gesso_error_t* error);

}  // namespace gesso::checking
