#include "engine/registry/registry.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <span>

#include "engine/base/suggest.hpp"
#include "engine/check/check.hpp"
#include "engine/registry/isolating.hpp"
#include "engine/registry/loader.hpp"
#include "engine/registry/manifest.hpp"
#include "engine/registry/registered.hpp"
#include "engine/registry/search.hpp"
#include "engine/registry/trust.hpp"
#include "engine/registry/variant.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::registry {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

// The id, the name and the aliases, in lower case.
std::vector<std::string> words_for(const VariantInfo& variant) {
  std::vector<std::string> words{lower(variant.id), lower(variant.name)};
  for (const std::string& alias : variant.aliases) words.push_back(lower(alias));
  return words;
}

const VariantInfo* find_variant(std::span<const VariantInfo> variants, std::string_view name) {
  const auto found = std::ranges::find_if(variants, [&](const VariantInfo& variant) {
    const std::vector<std::string> words = words_for(variant);
    return std::ranges::find(words, lower(name)) != words.end();
  });
  return found == variants.end() ? nullptr : &*found;
}

template <class Item>
const Item* find(const std::vector<Item>& items, std::string_view id) {
  const auto found = std::ranges::find(items, id, &Item::id);
  return found == items.end() ? nullptr : &*found;
}

[[noreturn]] void not_found(std::string_view what, std::string_view name,
                            const std::vector<std::string>& candidates,
                            const std::vector<std::string>& shown) {
  const std::string hint = base::did_you_mean(name, candidates);
  const std::string there = shown.empty()
                                ? "none is there: `gesso plugins list --why` tells what was refused"
                                : fmt::format("there are: {}", fmt::join(shown, ", "));
  throw Error(Status::NotFound,
              fmt::format("no {} \"{}\"{}{} {}", what, name, hint, hint.empty() ? ";" : "", there));
}

}  // namespace

struct Registry::State {
  std::vector<Candidate> candidates;
  std::vector<PluginInfo> plugins;
  std::vector<ComponentInfo> components;
  std::vector<VariantInfo> variants;
  std::function<std::string()> runtime_version;
  std::shared_ptr<checking::Watcher> watcher;
  Trust trust;
  Isolation isolation;

  std::mutex mutex;  // of what follows
  std::map<std::string, const gesso_plugin_t*>
      loaded;  // by plugin id; checked against its manifest

  void add(Candidate& candidate);
  void check_unique(const Manifest& manifest) const;
  void remove(const std::string& plugin_id);
  void extend_variants();
  void refuse(const std::string& plugin_id, const std::string& reason);
  std::vector<ComponentInfo> components_of(const PluginInfo& plugin) const;
  const gesso_plugin_t& load(const PluginInfo& plugin, const gesso_host_t* log_to);
  gesso_component_t* create(const PluginInfo& plugin, const ComponentInfo& info,
                            const gesso_host_t* host);
  void try_out(const PluginInfo& plugin);
};

void Registry::State::check_unique(const Manifest& manifest) const {
  const auto refuse = [&](std::string_view what, std::string_view id, const std::string& owner) {
    const PluginInfo* first = find(plugins, owner);
    throw Error(Status::InvalidArgument,
                fmt::format("the {} \"{}\" was found before, in {}", what, id,
                            (first ? first->manifest : manifest.plugin.manifest).string()));
  };
  if (find(plugins, manifest.plugin.id)) refuse("plugin", manifest.plugin.id, manifest.plugin.id);
  for (const ComponentInfo& component : manifest.components)
    if (const ComponentInfo* first = find(components, component.id))
      refuse("component", component.id, first->plugin_id);

  const std::span<const VariantInfo> own = manifest.variants;
  for (size_t i = 0; i < own.size(); ++i)
    for (const std::string& word : words_for(own[i])) {
      const VariantInfo* first = find_variant(variants, word);
      if (!first) first = find_variant(own.first(i), word);
      if (first) refuse("variant", word, first->plugin_id);
    }
}

void Registry::State::add(Candidate& candidate) {
  try {
    if (!trust.writable_files && !find_registered(candidate.path)) check_owner(candidate.path);
    Manifest manifest = read_manifest(candidate.path);
    candidate.plugin_id = manifest.plugin.id;
    check_trust(manifest, trust);
    check_unique(manifest);
    plugins.push_back(std::move(manifest.plugin));
    std::ranges::move(manifest.components, std::back_inserter(components));
    std::ranges::move(manifest.variants, std::back_inserter(variants));
    candidate.accepted = true;
  } catch (const std::exception& error) {
    candidate.reason = error.what();
  }
}

void Registry::State::remove(const std::string& plugin_id) {
  std::erase_if(components, [&](const auto& item) { return item.plugin_id == plugin_id; });
  std::erase_if(variants, [&](const auto& item) { return item.plugin_id == plugin_id; });
  std::erase_if(plugins, [&](const auto& item) { return item.id == plugin_id; });
}

void Registry::State::refuse(const std::string& plugin_id, const std::string& reason) {
  for (Candidate& candidate : candidates) {
    if (!candidate.accepted || candidate.plugin_id != plugin_id) continue;
    candidate.accepted = false;
    candidate.reason = reason;
  }
  remove(plugin_id);
}

/// Bases first. A plugin whose variant has no base, or one that leads back to it, is refused.
void Registry::State::extend_variants() {
  std::set<std::string> done;
  const auto is_done = [&](const VariantInfo& v) { return v.base.empty() || done.contains(v.id); };
  for (bool moved = true; moved;) {
    moved = false;
    for (VariantInfo& variant : variants) {
      if (is_done(variant)) continue;
      const VariantInfo* base = find(variants, variant.base);
      if (!base || !is_done(*base)) continue;
      extend(variant, *base);
      done.insert(variant.id);
      moved = true;
    }
  }
  for (size_t i = 0; i < variants.size();) {
    const VariantInfo& variant = variants[i];
    if (is_done(variant)) {
      ++i;
      continue;
    }
    const bool there = find(variants, variant.base) != nullptr;
    const std::string reason =
        fmt::format("{}: it extends the variant \"{}\", {}", variant.file.string(), variant.base,
                    there ? "which extends it or is refused itself" : "which no plugin has");
    refuse(std::string(variant.plugin_id), reason);
    i = 0;
  }
}

std::vector<ComponentInfo> Registry::State::components_of(const PluginInfo& plugin) const {
  std::vector<ComponentInfo> result;
  std::ranges::copy_if(components, std::back_inserter(result),
                       [&](const auto& item) { return item.plugin_id == plugin.id; });
  return result;
}

const gesso_plugin_t& Registry::State::load(const PluginInfo& plugin, const gesso_host_t* log_to) {
  const std::lock_guard lock(mutex);
  if (const auto known = loaded.find(plugin.id); known != loaded.end()) return *known->second;
  if (runtime_version && plugin.runtime != "none") check_runtime(plugin, runtime_version());
  const gesso_plugin_t& table = load_plugin(plugin.library, plugin.sha256, log_to);
  check_descriptors(table, plugin, components_of(plugin));
  loaded[plugin.id] = &table;
  return table;
}

gesso_component_t* Registry::State::create(const PluginInfo& plugin, const ComponentInfo& info,
                                           const gesso_host_t* host) {
  const gesso_plugin_t& table = load(plugin, host);
  ErrorText error;
  gesso_component_t* instance = nullptr;
  const std::string where =
      fmt::format("plugin {}: create \"{}\"", plugin.library.string(), info.id);
  check(table.create(&table, host, info.id.c_str(), &instance, &error.error), error, where);
  if (!instance) throw Error(Status::Internal, where + ": succeeded, but gave no component");
  if (!GESSO_HAS(gesso_component_t, instance, destroy) || !instance->prepare ||
      !instance->get_interface)
    throw Error(Status::Internal, where + ": its table lacks prepare, get_interface or destroy");
  return instance;
}

/// Loads it here, or where its components would run.
void Registry::State::try_out(const PluginInfo& plugin) {
  bool here = false;
  for (const ComponentInfo& component : components_of(plugin)) {
    if (!names(isolation.ids, component)) {
      here = true;
      continue;
    }
    gesso_component_t* made = create_isolated(plugin, component, isolation, &bare_host());
    made->destroy(made->self);
  }
  if (here) load(plugin, nullptr);
}

Registry::Registry(std::unique_ptr<State> state) : state_(std::move(state)) {}
Registry::~Registry() = default;

std::shared_ptr<Registry> Registry::scan(const SearchOptions& options) {
  auto state = std::make_unique<State>();
  state->runtime_version = options.runtime_version;
  state->watcher = options.watcher;
  state->isolation = options.isolation;
  state->trust = checked_trust(options.trust, options.use_environment);
  state->candidates = find_manifests(options);
  for (Candidate& candidate : state->candidates)
    if (candidate.reason.empty()) state->add(candidate);
  state->extend_variants();
  return std::shared_ptr<Registry>(new Registry(std::move(state)));
}

const std::vector<Candidate>& Registry::candidates() const { return state_->candidates; }
const std::vector<PluginInfo>& Registry::plugins() const { return state_->plugins; }
const std::vector<ComponentInfo>& Registry::components() const { return state_->components; }
const std::vector<VariantInfo>& Registry::variants() const { return state_->variants; }

const ComponentInfo& Registry::component(std::string_view id) const {
  if (const ComponentInfo* found = find(components(), id)) return *found;
  std::vector<std::string> ids;
  for (const ComponentInfo& component : components()) ids.push_back(component.id);
  not_found("component", id, ids, ids);
}

const VariantInfo& Registry::variant(std::string_view name) const {
  if (const VariantInfo* found = find_variant(variants(), name)) return *found;
  std::vector<std::string> all, names;
  for (const VariantInfo& variant : variants()) {
    names.push_back(variant.name);
    all.push_back(variant.name);
    all.push_back(variant.id);
    all.insert(all.end(), variant.aliases.begin(), variant.aliases.end());
  }
  not_found("variant", name, all, names);
}

gesso_component_t* Registry::create(std::string_view component_id, const gesso_host_t* host,
                                    bool isolated) {
  if (!host) throw Error(Status::InvalidArgument, "create: a component needs a host");
  const ComponentInfo& info = component(component_id);
  const PluginInfo& plugin = *find(plugins(), info.plugin_id);
  const bool is_apart = isolated || names(state_->isolation.ids, info);
  const auto make = [&](const gesso_host_t* seen) {
    return is_apart ? create_isolated(plugin, info, state_->isolation, seen)
                    : state_->create(plugin, info, seen);
  };
  return state_->watcher ? checking::watch(state_->watcher, plugin.id, info.id, *host, make)
                         : make(host);
}

void Registry::load_all() {
  for (Candidate& candidate : state_->candidates) {
    const PluginInfo* plugin = find(plugins(), candidate.plugin_id);
    if (!candidate.accepted || plugin->library.empty()) continue;
    try {
      state_->try_out(*plugin);
    } catch (const std::exception& error) {
      candidate.accepted = false;
      candidate.reason = error.what();
      state_->remove(candidate.plugin_id);
    }
  }
}

}  // namespace gesso::registry
