// The plugin's table and the descriptors of its components.
#include <algorithm>
#include <regex>
#include <set>

#include "engine/registry/loader.hpp"
#include "validate/context.hpp"

namespace gesso::validate {
namespace {

constexpr uint32_t kLargestStruct = 4096;

bool is_id(const std::string& id) {
  static const std::regex form("[a-z0-9_]+(\\.[a-z0-9_]+)+");
  return std::regex_match(id, form);
}

bool is_version(const char* text) {
  static const std::regex form("[0-9]+\\.[0-9]+(\\.[0-9]+)?([-+].*)?");
  return text && std::regex_match(text, form);
}

/// The descriptors that are there.
std::vector<const gesso_component_desc_t*> descriptors(const gesso_plugin_t& table) {
  std::vector<const gesso_component_desc_t*> found;
  for (uint64_t i = 0; table.components && i < table.n_components; ++i)
    if (table.components[i]) found.push_back(table.components[i]);
  return found;
}

void size(Context& c) {
  const uint32_t size = c.table().struct_size;
  expect(size >= sizeof(gesso_plugin_t) && size <= kLargestStruct,
         "struct_size is {}; gesso_plugin_t has {}", size, sizeof(gesso_plugin_t));
}

void minor(Context& c) {
  expect(c.table().abi_minor <= GESSO_ABI_MINOR, "abi_minor is {}; this host speaks {}",
         c.table().abi_minor, GESSO_ABI_MINOR);
}

void texts(Context& c) {
  const gesso_plugin_t& t = c.table();
  const std::pair<const char*, const char*> fields[] = {
      {"version", t.version}, {"vendor", t.vendor}, {"license", t.license}};
  for (const auto& [name, text] : fields)
    expect(text && *text, "{} is {}", name, text ? "empty" : "NULL");
}

void id(Context& c) {
  const char* id = c.table().id;
  expect(id != nullptr, "id is NULL");
  expect(is_id(id), "its id is \"{}\"", id);
}

void functions(Context& c) {
  const gesso_plugin_t& t = c.table();
  expect(t.create != nullptr, "create is NULL");
  expect(t.get_interface != nullptr, "get_interface is NULL");
  expect(t.shutdown != nullptr, "shutdown is NULL");
}

void components(Context& c) {
  const gesso_plugin_t& t = c.table();
  expect(t.components || t.n_components == 0, "components is NULL, n_components is {}",
         t.n_components);
  for (uint64_t i = 0; i < t.n_components; ++i)
    expect(t.components[i] != nullptr, "component {} of {} is NULL", i, t.n_components);
}

void descriptor_sizes(Context& c) {
  for (const auto* desc : descriptors(c.table())) {
    expect(
        desc->struct_size >= sizeof(gesso_component_desc_t) && desc->struct_size <= kLargestStruct,
        "{}: struct_size is {}; gesso_component_desc_t has {}", desc->id ? desc->id : "?",
        desc->struct_size, sizeof(gesso_component_desc_t));
  }
}

void descriptor_texts(Context& c) {
  for (const auto* desc : descriptors(c.table())) {
    for (const char* text : {desc->id, desc->kind, desc->name, desc->summary})
      expect(text && *text, "{}: id, kind, name or summary is NULL or empty",
             desc->id ? desc->id : "a component");
  }
}

void descriptor_versions(Context& c) {
  for (const auto* desc : descriptors(c.table()))
    expect(is_version(desc->version), "{}: the version is \"{}\"", desc->id ? desc->id : "?",
           desc->version ? desc->version : "NULL");
}

void unique_ids(Context& c) {
  std::set<std::string> ids;
  for (const auto* desc : descriptors(c.table()))
    if (desc->id) expect(ids.insert(desc->id).second, "two components are called {}", desc->id);
}

void params(Context& c) {
  for (const auto* desc : descriptors(c.table())) {
    expect(desc->params || desc->n_params == 0, "{}: params is NULL, n_params is {}", desc->id,
           desc->n_params);
    for (uint32_t i = 0; i < desc->n_params; ++i) {
      const gesso_param_t* p = desc->params[i];
      expect(p && p->key && *p->key, "{}: parameter {} has no key", desc->id, i);
      expect(p->type >= GESSO_VALUE_INT && p->type <= GESSO_VALUE_BOOL,
             "{}: parameter {} is of type {}", desc->id, p->key, p->type);
    }
  }
}

void like_manifest(Context& c) {
  if (!c.target.manifest) skip("there is no manifest that could be read");
  if (descriptors(c.table()).size() != c.table().n_components) skip("a descriptor is NULL");
  if (!c.table().id || !is_id(c.table().id)) skip("its id is no id (see table.id)");
  try {
    registry::check_descriptors(c.table(), c.target.manifest->plugin,
                                c.target.manifest->components);
  } catch (const std::exception& error) {
    fail("{}", error.what());
  }
}

void version_like_manifest(Context& c) {
  if (!c.target.manifest) skip("there is no manifest that could be read");
  const std::string found = c.table().version ? c.table().version : "";
  if (found.empty()) skip("its table has no version");
  expect(found == c.target.manifest->plugin.version,
         "its version is \"{}\", the manifest says \"{}\"", found,
         c.target.manifest->plugin.version);
}

void unknown_interface(Context& c) {
  if (!c.table().get_interface) skip("get_interface is NULL");
  const void* found = c.table().get_interface(&c.table(), "org.gesso.nobody_has_this/1");
  expect(found == nullptr, "get_interface gives a table for an id that nobody has");
}

constexpr Check kChecks[] = {
    {"table.size", "R2", Needs::Table, "", "struct_size is the size of the table",
     "Write sizeof(gesso_plugin_t) into struct_size.", size},
    {"table.abi_minor", "R2", Needs::Table, "", "abi_minor is what was negotiated",
     "Write what gesso_negotiate gave, no constant of the build.", minor},
    {"table.texts", "R4", Needs::Table, "", "version, vendor and license are there",
     "Fill every text of gesso_plugin_t.", texts},
    {"table.id", "R4", Needs::Table, "", "the id is a domain turned round, in lower case",
     "Use a domain that you own: \"org.example.my_plugin\".", id},
    {"table.functions", "R1", Needs::Table, "", "no function is missing",
     "Fill create, get_interface and shutdown; they may do nothing.", functions},
    {"table.components", "R3", Needs::Table, "", "no descriptor is NULL",
     "n_components counts the pointers behind components.", components},
    {"table.descriptor_sizes", "R2", Needs::Table, "", "struct_size of each descriptor is right",
     "Write sizeof(gesso_component_desc_t) into struct_size.", descriptor_sizes},
    {"table.descriptor_texts", "R4", Needs::Table, "", "id, kind, name and summary are there",
     "Fill every text of gesso_component_desc_t.", descriptor_texts},
    {"table.descriptor_versions", "R4", Needs::Table, "", "versions are numbers with dots",
     "Write a version such as \"1.0.0\".", descriptor_versions},
    {"table.unique_ids", "R4", Needs::Table, "", "every component has an id of its own",
     "Give each component another id.", unique_ids},
    {"table.params", "R4", Needs::Table, "", "the parameters of descriptors are whole",
     "n_params counts the pointers behind params; each has a key and a type.", params},
    {"table.like_manifest", "R4", Needs::Table, "", "ids, kinds and interfaces are the manifest's",
     "Change the manifest or the descriptors; both must be of one build.", like_manifest},
    {"table.version_like_manifest", "R4", Needs::Table, "", "the version is the manifest's",
     "Write one version in both.", version_like_manifest},
    {"table.unknown_interface", "R4", Needs::Table, "",
     "get_interface gives NULL for an id it does not know",
     "Compare the whole id; give NULL at the end.", unknown_interface},
};

}  // namespace

std::span<const Check> table_checks() { return kChecks; }

}  // namespace gesso::validate
