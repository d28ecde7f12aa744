#include "engine/registry/manifest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "engine/base/checksum.hpp"
#include "engine/registry/manifest_keys.hpp"
#include "engine/registry/names.hpp"
#include "engine/registry/param.hpp"
#include "engine/registry/registered.hpp"
#include "engine/registry/variant.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::registry {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kManifestVersion = 1;

// Before anything else: another version may have other keys.
void check_version(const toml::table& document) {
  const toml::node* version = document.get("manifest");
  if (version && version->is_integer() && version->as_integer()->get() != kManifestVersion)
    fail_at(*version,
            fmt::format("manifest = {}, this host reads {}; the plugin is for another release",
                        version->as_integer()->get(), kManifestVersion));
}

void check_abi(const StrictTable& manifest) {
  const StrictTable abi(*manifest.table("abi"), "[abi]", kAbiKeys);
  const int64_t major = abi.integer("major"), minor = abi.integer("minor");
  if (major == GESSO_ABI_MAJOR && minor <= GESSO_ABI_MINOR) return;
  throw Error(Status::Incompatible,
              fmt::format("{}: built for ABI {}.{}, this host speaks ABI {}.{}; take another "
                          "release of the plugin, or a newer host",
                          place(abi.table()), major, minor, GESSO_ABI_MAJOR, GESSO_ABI_MINOR));
}

std::string read_runtime(const StrictTable& manifest) {
  const toml::table* needs = manifest.table("requires");
  if (!needs)
    manifest.fail("requires",
                  "a plugin with components needs requires.runtime: \"none\", or the "
                  "libtorch it was built with, such as \"torch/2.13\"");
  const StrictTable table(*needs, "[requires]", kRequiresKeys);
  std::string runtime = table.text("runtime");
  static const std::regex pattern(R"(none|torch/[0-9]{1,4}\.[0-9]{1,4})");
  if (!std::regex_match(runtime, pattern))
    table.fail("runtime",
               fmt::format("\"{}\" is no runtime; expected \"none\" or \"torch/2.13\"", runtime));
  return runtime;
}

/// The text of a plugin that has no files, or the file.
toml::table parse(const fs::path& file) {
  const Registered* registered = find_registered(file);
  return registered ? parse_toml_text(registered->manifest, file.string()) : parse_toml(file);
}

/// What a registered plugin cannot have.
void check_fileless(const StrictTable& manifest) {
  for (const char* key : {"library", "variants", "sha256"})
    if (manifest.node(key)) manifest.fail(key, "a registered plugin has no files");
  for (const toml::table* component : manifest.tables("component"))
    if (const toml::node* weights = component->get("weights"); weights && weights->is_string())
      fail_at(*weights, "a registered plugin has no files; write the table [component.weights]");
}

fs::path read_library(const StrictTable& manifest, const fs::path& folder) {
  if (!manifest.node("library"))
    manifest.fail("library", "a plugin with components needs the key \"library\"");
  const fs::path library =
      inside_folder(*manifest.node("library"), manifest.text("library"), folder);
  if (fs::is_regular_file(library)) return library;
  throw Error(Status::NotFound,
              fmt::format("{}: the library {} does not exist; build or install the plugin",
                          place(*manifest.node("library")), library.string()));
}

/// The digest that the library must have; "" when the manifest tells none.
std::string read_sha256(const StrictTable& manifest) {
  if (!manifest.node("sha256")) return "";
  const auto sum = base::checksum_of(manifest.text("sha256"));
  if (sum.kind != base::Checksum::Sha256)
    manifest.fail("sha256", fmt::format("\"{}\" is no SHA-256, which has 64 digits of 0-9 and a-f; "
                                        "`gesso plugins sign` writes it",
                                        manifest.text("sha256")));
  return sum.hex;
}

Permissions read_permissions(const StrictTable& manifest) {
  const toml::table* permissions = manifest.table("permissions");
  if (!permissions) return {};
  const StrictTable table(*permissions, "[permissions]", kPermissionsKeys);
  return {.read = table.texts("read"),
          .write = table.texts("write"),
          .devices = table.texts("devices"),
          .network = table.flag("network", false),
          .processes = table.flag("processes", false),
          .own_threads = table.flag("own_threads", false)};
}

AdapterKeys read_adapter(const StrictTable& component) {
  const toml::table* adapter = component.table("adapter");
  if (!adapter) return {};
  const StrictTable table(*adapter, "[component.adapter]", kAdapterKeys);
  return {.keys = table.texts("keys"), .marks = table.texts("marks")};
}

ComponentInfo read_component(const StrictTable& table, const std::string& plugin_id,
                             const fs::path& folder) {
  ComponentInfo component{.id = read_id(table, "id"),
                          .kind = read_kind(table, "kind"),
                          .name = table.text("name"),
                          .version = table.text("version"),
                          .summary = table.text("summary"),
                          .plugin_id = plugin_id,
                          .interfaces = read_interfaces(table, "interfaces"),
                          .params = read_params(table, "param", "[[component.param]]"),
                          .run_params = read_params(table, "run_param", "[[component.run_param]]"),
                          .pattern = std::nullopt,
                          .adapter = read_adapter(table)};
  if (const toml::node* weights = table.node("weights")) {
    if (weights->is_string()) inside_folder(*weights, table.text("weights"), folder);
    component.pattern = weights::parse_component_pattern(table.table(), folder);
  }
  return component;
}

std::vector<ComponentInfo> read_components(const StrictTable& manifest,
                                           const std::string& plugin_id, const fs::path& folder) {
  std::vector<ComponentInfo> components;
  for (const toml::table* entry : manifest.tables("component")) {
    const StrictTable table(*entry, "[[component]]", kComponentKeys);
    ComponentInfo component = read_component(table, plugin_id, folder);
    if (std::ranges::find(components, component.id, &ComponentInfo::id) != components.end())
      table.fail("id", fmt::format("the component \"{}\" is listed twice", component.id));
    components.push_back(std::move(component));
  }
  return components;
}

// A role that this plugin fills with its own component must be of that component's kind.
void check_roles(const VariantInfo& variant, const std::vector<ComponentInfo>& components) {
  for (const Role& role : variant.roles) {
    const auto own = std::ranges::find(components, role.component, &ComponentInfo::id);
    if (own != components.end() && own->kind != role.kind)
      throw Error(
          Status::InvalidArgument,
          fmt::format("{}: the role \"{}\" is of kind \"{}\", but its component \"{}\" is a \"{}\"",
                      variant.file.string(), role.name, role.kind, own->id, own->kind));
  }
}

std::vector<VariantInfo> read_variants(const StrictTable& manifest, const Manifest& known,
                                       const fs::path& folder) {
  std::vector<VariantInfo> variants;
  for (const std::string& name : manifest.texts("variants")) {
    const fs::path file = inside_folder(*manifest.node("variants"), name, folder);
    VariantInfo variant = read_variant(file, known.plugin.id);
    check_roles(variant, known.components);
    variants.push_back(std::move(variant));
  }
  return variants;
}

PluginInfo read_plugin(const StrictTable& manifest, const fs::path& file) {
  const StrictTable table(*manifest.table("plugin"), "[plugin]", kPluginKeys);
  return {.id = read_id(table, "id"),
          .version = table.text("version"),
          .vendor = table.text("vendor"),
          .license = table.text("license"),
          .runtime = "none",
          .manifest = file,
          .library = {},
          .permissions = read_permissions(manifest),
          .components = {},
          .variants = {}};
}

}  // namespace

Manifest read_manifest(const fs::path& file) {
  const toml::table document = parse(file);
  check_version(document);
  const StrictTable table(document, "the manifest", kManifestKeys);
  check_abi(table);
  const Registered* registered = find_registered(file);
  if (registered) check_fileless(table);

  const fs::path folder = file.parent_path();
  Manifest manifest{.plugin = read_plugin(table, file), .components = {}, .variants = {}};
  manifest.components = read_components(table, manifest.plugin.id, folder);
  manifest.variants = read_variants(table, manifest, folder);
  if (manifest.components.empty() && manifest.variants.empty())
    table.fail("component", "the plugin has neither components nor variants");
  if (!manifest.components.empty()) {
    manifest.plugin.runtime = read_runtime(table);
    manifest.plugin.library = registered ? registered->library : read_library(table, folder);
    manifest.plugin.sha256 = read_sha256(table);
  } else {
    for (const char* key : {"library", "sha256"})
      if (table.node(key)) table.fail(key, "a plugin without components has no library");
  }
  for (const ComponentInfo& component : manifest.components)
    manifest.plugin.components.push_back(component.id);
  for (const VariantInfo& variant : manifest.variants)
    manifest.plugin.variants.push_back(variant.id);
  return manifest;
}

}  // namespace gesso::registry
