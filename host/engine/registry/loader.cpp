#include "engine/registry/loader.hpp"

#define BOOST_DLL_USE_STD_FS
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <boost/dll/shared_library.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>

#include "engine/registry/fp_control.hpp"
#include "engine/registry/registered.hpp"
#include "engine/registry/sealed_library.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::registry {
namespace {

namespace fs = std::filesystem;
namespace dll = boost::dll;

constexpr int kMajorsToLookFor = 32;

struct Library {
  dll::shared_library code;
  std::string sha256;  // that it was compared with
  const gesso_plugin_t* table = nullptr;
  std::optional<Error> refused;
};

struct Store {
  std::mutex mutex;
  std::map<fs::path, Library> libraries;
};

// Never destroyed: destructors of static objects may still run plugin code.
Store& store() {
  static Store& store = *new Store;
  return store;
}

// Who hears what is logged while the entry of a plugin runs on this thread.
thread_local const gesso_host_t* log_target = nullptr;

void GESSO_CALL forward_log(const gesso_host_t*, int32_t level, const char* text) {
  if (log_target && log_target->log) log_target->log(log_target, level, text);
}

const void* GESSO_CALL no_service(const gesso_host_t*, const char*) { return nullptr; }

dll::shared_library map_library(const fs::path& path, const std::string& sha256) {
  try {
    const auto mode = dll::load_mode::rtld_now | dll::load_mode::rtld_local;
    if (sha256.empty()) return dll::shared_library(path, mode);
    SealedLibrary sealed(path, sha256);
    dll::shared_library code(sealed.path(), mode);
    sealed.keep();
    return code;
  } catch (const std::system_error& error) {
    throw Error(Status::Incompatible,
                fmt::format("the system cannot load it: {}; rebuild it, or install what it needs",
                            error.what()));
  }
}

gesso_plugin_entry_t find_entry(const dll::shared_library& code) {
  if (code.has(GESSO_ENTRY_SYMBOL))
    return &code.get<std::remove_pointer_t<gesso_plugin_entry_t>>(GESSO_ENTRY_SYMBOL);
  std::vector<int> majors;
  for (int major = 0; major < kMajorsToLookFor; ++major)
    if (code.has(fmt::format("gesso_plugin_entry_{}", major))) majors.push_back(major);
  if (majors.empty())
    throw Error(Status::Incompatible, "it does not export " GESSO_ENTRY_SYMBOL
                                      "; it is no Gesso plugin, or its entry is hidden");
  throw Error(
      Status::Incompatible,
      fmt::format("built for ABI {}, this host speaks ABI {}; rebuild it against this release",
                  fmt::join(majors, " and "), GESSO_ABI_MAJOR));
}

const gesso_plugin_t* call_entry(gesso_plugin_entry_t entry, const gesso_host_t* log_to) {
  const gesso_plugin_t* table = nullptr;
  ErrorText error;
  log_target = log_to;
  const gesso_status_t status = entry(&bare_host(), &table, &error.error);
  log_target = nullptr;
  check(status, error, "its entry failed");
  return table;
}

void check_table(const gesso_plugin_t* table) {
  if (!table) throw Error(Status::Incompatible, "its entry succeeded, but gave no table");
  const bool whole = GESSO_HAS(gesso_plugin_t, table, create) && table->id &&
                     (table->components || table->n_components == 0);
  if (!whole) throw Error(Status::Incompatible, "its table lacks id, components or create");
  if (table->abi_minor > GESSO_ABI_MINOR)
    throw Error(
        Status::Incompatible,
        fmt::format("built for ABI {}.{}, this host speaks ABI {}.{}; rebuild it against this "
                    "release",
                    GESSO_ABI_MAJOR, table->abi_minor, GESSO_ABI_MAJOR, GESSO_ABI_MINOR));
}

void check_fp_control(const FpControl& before, std::string_view when) {
  const FpControl after = FpControl::read();
  if (after == before) return;
  throw Error(
      Status::Incompatible,
      fmt::format("{} changed the floating-point control of the host ({}); it was put back. "
                  "Link the plugin without -ffast-math (rule R10)",
                  when, describe_change(before, after)));
}

void enter(Library& library, gesso_plugin_entry_t entry, const FpControl& before,
           const gesso_host_t* log_to) {
  const gesso_plugin_t* table = call_entry(entry, log_to);
  check_fp_control(before, "its entry");
  check_table(table);
  library.table = table;
}

// A library that could be mapped is entered this one time, whatever comes of it. A plugin that was
// registered is mapped already.
const Library& map_once(const fs::path& path, const std::string& sha256,
                        const gesso_host_t* log_to) {
  const auto known = store().libraries.find(path);
  if (known != store().libraries.end()) {
    const std::string& compared = known->second.sha256;
    if (sha256.empty() || sha256 == compared) return known->second;
    throw Error(Status::Denied,
                fmt::format("its SHA-256 must be {}, but this process has loaded it before {}",
                            sha256, compared.empty() ? "without comparing it" : "as " + compared));
  }
  const FpControl before = FpControl::read();
  const gesso_plugin_entry_t registered = registered_entry(path);
  dll::shared_library code = registered ? dll::shared_library() : map_library(path, sha256);
  Library& library =
      store()
          .libraries.emplace(path, Library{std::move(code), sha256, nullptr, std::nullopt})
          .first->second;
  try {
    check_fp_control(before, "loading it");
    enter(library, registered ? registered : find_entry(library.code), before, log_to);
  } catch (const Error& error) {
    before.apply();  // an entry that failed may have changed it too
    library.refused = error;
  }
  return library;
}

std::vector<std::string> list(const char* const* names) {
  std::vector<std::string> result;
  for (; names && *names; ++names) result.emplace_back(*names);
  std::ranges::sort(result);
  return result;
}

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::ranges::sort(names);
  return names;
}

std::string text(const char* text) { return text ? text : ""; }

const gesso_component_desc_t* find(const gesso_plugin_t& table, const std::string& id) {
  for (uint64_t i = 0; i < table.n_components; ++i)
    if (table.components[i] && text(table.components[i]->id) == id) return table.components[i];
  return nullptr;
}

void compare(const gesso_component_desc_t& desc, const ComponentInfo& info,
             std::vector<std::string>& differences) {
  if (text(desc.kind) != info.kind)
    differences.push_back(fmt::format("{} is of kind \"{}\", the manifest says \"{}\"", info.id,
                                      text(desc.kind), info.kind));
  const std::vector<std::string> has =
      GESSO_HAS(gesso_component_desc_t, &desc, interfaces) ? list(desc.interfaces) : list(nullptr);
  if (has != sorted(info.interfaces))
    differences.push_back(fmt::format("{} has the interfaces [{}], the manifest says [{}]", info.id,
                                      fmt::join(has, ", "),
                                      fmt::join(sorted(info.interfaces), ", ")));
}

}  // namespace

const gesso_host_t& bare_host() {
  static const gesso_host_t host{.struct_size = sizeof(gesso_host_t),
                                 .abi_minor = GESSO_ABI_MINOR,
                                 .data = nullptr,
                                 .name = "gesso",
                                 .version = GESSO_VERSION,
                                 .log = forward_log,
                                 .get_service = no_service};
  return host;
}

const gesso_plugin_t& load_plugin(const fs::path& library, const std::string& sha256,
                                  const gesso_host_t* log_to) {
  const std::lock_guard lock(store().mutex);
  try {
    const fs::path path = registered_entry(library) ? library : fs::weakly_canonical(library);
    const Library& loaded = map_once(path, sha256, log_to);
    if (loaded.refused) throw *loaded.refused;
    return *loaded.table;
  } catch (const Error& error) {
    throw Error(error.status(), fmt::format("plugin {}: {}", library.string(), error.what()));
  }
}

void check_runtime(const PluginInfo& plugin, std::string_view present) {
  if (plugin.runtime == "none") return;
  const bool same =
      present.starts_with(plugin.runtime) &&
      (present.size() == plugin.runtime.size() || present[plugin.runtime.size()] == '.' ||
       present[plugin.runtime.size()] == '+');
  if (!same)
    throw Error(
        Status::Incompatible,
        fmt::format("plugin {}: built for {}, this process runs {}; rebuild it against that "
                    "version",
                    plugin.library.string(), plugin.runtime, present));
}

void check_descriptors(const gesso_plugin_t& table, const PluginInfo& plugin,
                       std::span<const ComponentInfo> components) {
  std::vector<std::string> differences;
  if (text(table.id) != plugin.id)
    differences.push_back(
        fmt::format("its id is \"{}\", the manifest says \"{}\"", text(table.id), plugin.id));
  for (const ComponentInfo& info : components) {
    const gesso_component_desc_t* desc = find(table, info.id);
    if (desc)
      compare(*desc, info, differences);
    else
      differences.push_back(fmt::format("{} is in the manifest only", info.id));
  }
  for (uint64_t i = 0; i < table.n_components; ++i) {
    const std::string id = table.components[i] ? text(table.components[i]->id) : "";
    if (std::ranges::find(components, id, &ComponentInfo::id) == components.end())
      differences.push_back(fmt::format("the component \"{}\" is in the library only", id));
  }
  if (!differences.empty())
    throw Error(
        Status::Incompatible,
        fmt::format("plugin {} and its manifest {} differ: {}; they are of different builds",
                    plugin.library.string(), plugin.manifest.filename().string(),
                    fmt::join(differences, "; ")));
}

}  // namespace gesso::registry
