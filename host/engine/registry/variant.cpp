#include "engine/registry/variant.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/suggest.hpp"
#include "engine/registry/manifest_keys.hpp"
#include "engine/registry/names.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::registry {
namespace {

using nlohmann::json;

constexpr int64_t kVariantVersion = 1;

const toml::table& as_table(const toml::node& node, const std::string& title) {
  if (!node.is_table()) fail_at(node, fmt::format("{} must be a table", title));
  return *node.as_table();
}

// Own size -> "role.size".
std::map<std::string, std::string> read_same(const StrictTable& role) {
  std::map<std::string, std::string> same;
  if (!role.table("same")) return same;
  for (const auto& [size, node] : *role.table("same")) {
    const std::string other = node.value_or<std::string>("");
    if (const size_t dot = other.find('.'); dot == 0 || dot >= other.size() - 1 || other.empty())
      fail_at(node, fmt::format("\"same.{}\" of {} must be a text \"role.size\"", size.str(),
                                role.title()));
    same.emplace(size.str(), other);
  }
  return same;
}

std::vector<Role> read_roles(const toml::table& roles) {
  std::vector<Role> result;
  for (const auto& [name, node] : roles) {
    const std::string title = fmt::format("[roles.{}]", name.str());
    const StrictTable table(as_table(node, title), title, kRoleKeys);
    Role role{.name = std::string(name.str()),
              .kind = read_kind(table, "kind"),
              .component = table.node("component") ? read_id(table, "component") : "",
              .required = table.flag("required", true),
              .model_id = table.text("model_id"),
              .origin_file_pattern = table.text("origin_file_pattern"),
              .storage_warning = table.text("storage_warning"),
              .many = table.flag("many", false),
              .same = read_same(table)};
    if (role.required && role.component.empty())
      table.fail("required", title + " is required, so it needs the key \"component\"");
    result.push_back(std::move(role));
  }
  return result;
}

// Values of one level: what users set in [generate].
json read_defaults(const toml::table& defaults) {
  for (const auto& [key, node] : defaults) {
    const toml::array* list = node.as_array();
    const bool nested =
        node.is_table() || (list && std::ranges::any_of(*list, [](const auto& item) {
                              return item.is_table() || item.is_array();
                            }));
    if (nested)
      fail_at(node, fmt::format("\"{}\" in [defaults] must be a value or a list", key.str()));
  }
  return to_json(defaults);
}

json read_limits(const toml::table& limits) {
  for (const auto& [key, node] : limits)
    if (!node.is_number())
      fail_at(node, fmt::format("\"{}\" in [limits] must be a number", key.str()));
  return to_json(limits);
}

/// `own` on top of `base`, role by role or key by key.
std::vector<Role> merged(std::vector<Role> base, const std::vector<Role>& own) {
  for (const Role& role : own) {
    const auto same = std::ranges::find(base, role.name, &Role::name);
    if (same == base.end()) {
      base.push_back(role);
    } else {
      *same = role;
    }
  }
  return base;
}

json merged(json base, const json& own) {
  if (!base.is_object()) return own;
  if (own.is_object()) base.update(own);
  return base;
}

void check_extents(const StrictTable& table, std::string_view key) {
  const toml::table* extents = table.table(key);
  if (!extents) return;
  for (const auto& [name, node] : *extents)
    if (node.value_or<int64_t>(0) <= 0 || !node.is_integer())
      fail_at(node, fmt::format("\"{}.{}\" must be a positive whole number", key, name.str()));
}

json read_synthetic(const toml::table& synthetic, const std::vector<Role>& roles, bool extends) {
  std::vector<std::string> names;
  for (const Role& role : roles) names.push_back(role.name);
  for (const auto& [name, node] : synthetic) {
    const std::string title = fmt::format("[synthetic.{}]", name.str());
    if (!extends && std::ranges::find(names, name.str()) == names.end())
      fail_at(node, fmt::format("{}: there is no role \"{}\"{}", title, name.str(),
                                base::did_you_mean(name.str(), names)));
    const StrictTable table(as_table(node, title), title, kSyntheticKeys);
    check_extents(table, "sizes");
    check_extents(table, "counts");
  }
  return to_json(synthetic);
}

void check_version(const toml::table& document) {
  const toml::node* version = document.get("variant");
  if (version && version->is_integer() && version->as_integer()->get() != kVariantVersion)
    fail_at(*version,
            fmt::format("variant = {}, this host reads {}; the file is for another release",
                        version->as_integer()->get(), kVariantVersion));
}

}  // namespace

VariantInfo read_variant(const std::filesystem::path& file, const std::string& plugin_id) {
  if (!std::filesystem::is_regular_file(file))
    throw Error(Status::NotFound, fmt::format("{}: no such file", file.string()));
  const toml::table document = parse_toml(file);
  check_version(document);
  const StrictTable table(document, "the variant", kVariantKeys);

  static const toml::table kNone;
  const auto optional_table = [&](std::string_view key) -> const toml::table& {
    return table.table(key) ? *table.table(key) : kNone;
  };
  VariantInfo variant{.id = read_id(table, "id"),
                      .name = table.text("name"),
                      .summary = table.text("summary"),
                      .plugin_id = plugin_id,
                      .base = table.node("extends") ? read_id(table, "extends") : "",
                      .aliases = table.texts("aliases"),
                      .roles = read_roles(optional_table("roles")),
                      .defaults = read_defaults(optional_table("defaults")),
                      .limits = read_limits(optional_table("limits")),
                      .synthetic = nullptr,
                      .notes = table.texts("notes"),
                      .file = file};
  const bool extends = !variant.base.empty();
  if (variant.roles.empty() && !extends)
    table.fail("roles", "a variant has at least one role, or another variant that it extends");
  variant.synthetic = read_synthetic(optional_table("synthetic"), variant.roles, extends);
  return variant;
}

void extend(VariantInfo& variant, const VariantInfo& base) {
  variant.roles = merged(base.roles, variant.roles);
  variant.defaults = merged(base.defaults, variant.defaults);
  variant.limits = merged(base.limits, variant.limits);
  variant.synthetic = merged(base.synthetic, variant.synthetic);
}

}  // namespace gesso::registry
