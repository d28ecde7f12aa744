// Plugins: found by their manifests, loaded when a component of theirs is first needed.
//
// Scanning reads TOML only and runs no foreign code. What was refused stays listed, with its
// reason.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/weights/component_pattern.hpp"
#include "gesso/plugin.h"

namespace gesso::checking {
class Watcher;
}

namespace gesso::registry {

/// A parameter as the manifest describes it; `type` is a GESSO_VALUE_* number.
struct Param {
  std::string key;
  int32_t type = 0;
  std::string summary, unit;
  nlohmann::json preset, min, max;  // null where there is none
  std::vector<std::string> choices;
};

/// Which files a delta_source reads, by the names of their tensors; '*' stands for anything.
struct AdapterKeys {
  std::vector<std::string> keys;   // each tensor matches one of them
  std::vector<std::string> marks;  // at least one tensor matches one of them; empty: no matter
};

struct ComponentInfo {
  std::string id, kind, name, version, summary, plugin_id;
  std::vector<std::string> interfaces;
  std::vector<Param> params;      // read by prepare
  std::vector<Param> run_params;  // read by its operations; users set them in [generate]
  std::optional<weights::ComponentPattern> pattern;  // none: takes no weight file
  AdapterKeys adapter;                               // of a delta_source
};

struct Role {
  std::string name, kind, component;  // "text_encoder", its kind, the default component's id
  bool required = true;
  std::string model_id, origin_file_pattern;  // where its published weights are; "": nowhere
  std::string storage_warning;  // what to say of weights with fewer bits than bf16; "": nothing
  bool many = false;            // further components "<name>_<anything>" may fill it, too
  std::map<std::string, std::string> same;  // size of its weights -> "<role>.<size>" it must equal
};

struct VariantInfo {
  std::string id, name, summary, plugin_id;
  std::string base;                  // id of the variant that this one extends; "": none
  std::vector<std::string> aliases;  // further names that users may write
  std::vector<Role> roles;
  nlohmann::json defaults;   // parameters of [generate], flat
  nlohmann::json limits;     // {"size_multiple": 16, "max_tokens": 512, ...}
  nlohmann::json synthetic;  // role -> {"sizes": {...}, "counts": {...}, "config": {...}}
  std::vector<std::string> notes;
  std::filesystem::path file;
};

/// What the plugin says it touches beyond its inputs. In one process nothing enforces it.
struct Permissions {
  std::vector<std::string> read, write;
  std::vector<std::string> devices;  // beside "cpu": "cuda"
  bool network = false, processes = false, own_threads = false;
};

struct PluginInfo {
  std::string id, version, vendor, license;
  std::string runtime;  // "none" or "torch/2.13"
  std::filesystem::path manifest;
  std::filesystem::path library;  // empty: variants only, nothing to load
  std::string sha256{};           // of the library, in hex; empty: it is not compared
  Permissions permissions;
  std::vector<std::string> components, variants;  // ids
};

/// One manifest that was met, accepted or not.
struct Candidate {
  std::filesystem::path path;
  std::string source;  // "given", "GESSO_PLUGIN_PATH", "beside the program", "installed"
  bool accepted = false;
  std::string plugin_id, reason;  // reason: why it was refused
};

/// Which of the plugins that are found may be used. See trust.hpp.
struct Trust {
  /// "org.example.one", "org.example.*", "shipped" (what came with this build), each alone or with
  /// "@sha256:<digest>"; or "sha256:<digest>". Empty: all.
  std::vector<std::string> plugins{};
  bool writable_files = false;  // also what others than this user and root can replace
};

/// What runs in a child process (isolation/proxy.hpp).
struct Isolation {
  std::vector<std::string> ids{};  // of plugins and components
  uint32_t threads = 0;            // for computing, in each child; 0: the cores of the machine
};

struct SearchOptions {
  std::vector<std::filesystem::path> given;  // files (.so or .gesso.toml) or folders; first
  bool use_environment = true;               // GESSO_PLUGIN_PATH, separated by ':'
  bool use_default_paths = true;             // beside the library, then the installation
  /// What this process computes with, "torch/2.13.0"; asked before a plugin that names a runtime is
  /// loaded. Empty: not compared.
  std::function<std::string()> runtime_version;
  /// Holds components to the rules of the headers (engine/check/check.hpp); null: they are not.
  std::shared_ptr<checking::Watcher> watcher{};
  Isolation isolation{};
  Trust trust{};  // without a list: that of GESSO_TRUSTED_PLUGINS, where `use_environment`
};

class Registry {
 public:
  /// What cannot be used is a refused candidate. Of two plugins, components or variants with the
  /// same id the first found wins; the same manifest met twice counts once. Folders are searched
  /// for *.gesso.toml directly and one level below, in the order of their names.
  /// @throws Error  InvalidArgument for an entry of the allow list that means nothing
  static std::shared_ptr<Registry> scan(const SearchOptions& options);
  ~Registry();

  const std::vector<Candidate>& candidates() const;
  const std::vector<PluginInfo>& plugins() const;
  const std::vector<ComponentInfo>& components() const;
  const std::vector<VariantInfo>& variants() const;

  /// @throws Error NotFound, with the nearest name and the list of those there are
  const ComponentInfo& component(std::string_view id) const;
  /// By id, name or alias, without regard to case. @throws Error NotFound as above
  const VariantInfo& variant(std::string_view name) const;

  /// Loads the plugin if it is not yet, checks it against its manifest, and makes an instance.
  /// `host` must outlive the component. Thread-safe.
  /// @param isolated  in a child process, even if `Isolation` does not ask for it
  /// @throws Error with the plugin's path and the loader's own text
  gesso_component_t* create(std::string_view component_id, const gesso_host_t* host,
                            bool isolated = false);

  /// Loads every accepted plugin now; what fails becomes a refused candidate (for `doctor`), and
  /// its components and variants vanish: references into the lists above end. Not thread-safe.
  void load_all();

 private:
  struct State;
  explicit Registry(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace gesso::registry
