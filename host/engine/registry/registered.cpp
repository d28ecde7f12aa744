#include "engine/registry/registered.hpp"

#include <charconv>
#include <cstdint>
#include <map>
#include <mutex>
#include <string_view>

namespace gesso::registry {
namespace {

struct Store {
  std::mutex mutex;
  std::map<std::filesystem::path, Registered> plugins;
};

constexpr std::string_view kName = "registered:";

// Never destroyed, as its entries are not.
Store& store() {
  static Store& store = *new Store;
  return store;
}

}  // namespace

std::filesystem::path keep_registered(std::string manifest, gesso_plugin_entry_t entry) {
  const std::lock_guard lock(store().mutex);
  const std::string name = std::string(kName) + std::to_string(store().plugins.size() + 1);
  const std::string library = name + "@" + std::to_string(reinterpret_cast<uintptr_t>(entry));
  store().plugins.emplace(name, Registered{std::move(manifest), library});
  return name;
}

const Registered* find_registered(const std::filesystem::path& manifest) {
  const std::lock_guard lock(store().mutex);
  const auto found = store().plugins.find(manifest);
  return found == store().plugins.end() ? nullptr : &found->second;
}

gesso_plugin_entry_t registered_entry(const std::filesystem::path& library) {
  const std::string& path = library.native();
  const size_t at = path.find('@');
  if (!path.starts_with(kName) || at == std::string::npos) return nullptr;
  uintptr_t address = 0;
  std::from_chars(path.data() + at + 1, path.data() + path.size(), address);
  return reinterpret_cast<gesso_plugin_entry_t>(address);
}

}  // namespace gesso::registry
