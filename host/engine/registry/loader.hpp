// Foreign code: mapped once per process, entered once, never unmapped.
#pragma once

#include <filesystem>
#include <span>

#include "engine/registry/registry.hpp"

namespace gesso::registry {

/// A host without services, which entries are called with. What is logged to it is heard while an
/// entry runs, by `log_to` below. Lives as long as the process: a plugin may keep the pointer.
const gesso_host_t& bare_host();

/// Maps the library, calls its entry and checks the table it gives. All registries of the process
/// share the result, also a failure of code that did run. Thread-safe.
///
/// @param sha256  what the library must have, in hex: it is then mapped from a sealed copy
///                (sealed_library.hpp); empty: not compared
/// @param log_to  hears what the entry logs; may be null
/// @throws Error  Incompatible when the loader refuses it (with the loader's text), the entry
/// symbol
///                is missing (naming the majors there are), the floating-point control was changed
///                (it is put back), or the table is not of this ABI; Denied for another digest;
///                else what the entry says
const gesso_plugin_t& load_plugin(const std::filesystem::path& library, const std::string& sha256,
                                  const gesso_host_t* log_to);

/// @param runtime  what the manifest requires: "torch/2.13"
/// @param present  what there is: "torch/2.13.0"
/// @throws Error Incompatible when name, major or minor differ
void check_runtime(const PluginInfo& plugin, std::string_view present);

/// Compares ids, kinds and interfaces. @throws Error Incompatible with every difference
void check_descriptors(const gesso_plugin_t& table, const PluginInfo& plugin,
                       std::span<const ComponentInfo> components);

}  // namespace gesso::registry
