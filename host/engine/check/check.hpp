// Components whose every call is held against the rules of the headers: GESSO_CHECK=1
// (docs/plugins/checking.md). Who does not ask for it pays nothing: no table is touched.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/check/object.hpp"
#include "gesso/plugin.h"

namespace gesso::checking {

using Make = std::function<gesso_component_t*(const gesso_host_t* host)>;

/// Has a component made for something that stands for `host`, and gives something that stands for
/// the component. `host` must outlive it.
/// @throws Error  what `make` throws
gesso_component_t* watch(std::shared_ptr<Watcher> watcher, const std::string& plugin,
                         const std::string& component, const gesso_host_t& host, const Make& make);

}  // namespace gesso::checking
