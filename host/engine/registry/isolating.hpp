// Components in child processes: what the registry knows of them, handed to isolation/proxy.hpp.
#pragma once

#include "engine/registry/registry.hpp"

namespace gesso::registry {

/// Whether a list of ids names a component or its plugin.
bool names(const std::vector<std::string>& ids, const ComponentInfo& component);

/// @throws Error  NotSupported for kinds that cannot run so and for plugins without a file; else as
///                isolation::open_proxy
gesso_component_t* create_isolated(const PluginInfo& plugin, const ComponentInfo& component,
                                   const Isolation& isolation, const gesso_host_t* host);

}  // namespace gesso::registry
