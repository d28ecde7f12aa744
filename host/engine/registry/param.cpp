#include "engine/registry/param.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/suggest.hpp"
#include "engine/registry/manifest_keys.hpp"

namespace gesso::registry {
namespace {

using nlohmann::json;

int32_t read_type(const StrictTable& table) {
  const std::string name = table.text("type");
  const auto known = std::ranges::find(kTypeNames, name, &TypeName::name);
  if (known != std::end(kTypeNames)) return known->type;
  std::vector<std::string> names;
  for (const TypeName& type : kTypeNames) names.emplace_back(type.name);
  table.fail("type", fmt::format("unknown type \"{}\"{}", name, base::did_you_mean(name, names)));
}

// Null when the value is of another type.
json scalar(const json& value, int32_t type) {
  const bool fits = (type == GESSO_VALUE_INT && value.is_number_integer()) ||
                    (type == GESSO_VALUE_TEXT && value.is_string()) ||
                    (type == GESSO_VALUE_BOOL && value.is_boolean());
  if (fits) return value;
  if (type == GESSO_VALUE_REAL && value.is_number()) return value.get<double>();
  return nullptr;
}

json typed(const json& value, int32_t type) {
  const int32_t element = element_type(type);
  if (element == type) return scalar(value, type);
  if (!value.is_array()) return nullptr;
  json list = json::array();
  for (const json& item : value) {
    list.push_back(scalar(item, element));
    if (list.back().is_null()) return nullptr;
  }
  return list;
}

json read_value(const StrictTable& table, std::string_view key, int32_t type) {
  const toml::node* node = table.node(key);
  if (!node) return nullptr;
  json value = typed(to_json(*node), type);
  if (value.is_null())
    table.fail(key, fmt::format("\"{}\" must be of type {}", key, type_name(type)));
  return value;
}

json read_bound(const StrictTable& table, std::string_view key, int32_t type) {
  const int32_t element = element_type(type);
  if (table.node(key) && element != GESSO_VALUE_INT && element != GESSO_VALUE_REAL)
    table.fail(key, fmt::format("type {} has no \"{}\"; only numbers do", type_name(type), key));
  return read_value(table, key, element);
}

void check_preset(const StrictTable& table, const Param& param) {
  const json items = param.preset.is_array() ? param.preset : json::array({param.preset});
  for (const json& item : items) {
    if ((!param.min.is_null() && item < param.min) || (!param.max.is_null() && item > param.max))
      table.fail("default", fmt::format("default {} is outside of the bounds", item.dump()));
    const bool chosen =
        std::ranges::any_of(param.choices, [&](const auto& c) { return item == c; });
    if (!param.choices.empty() && !chosen)
      table.fail("default", fmt::format("default {} is none of the choices", item.dump()));
  }
}

Param read_param(const StrictTable& table) {
  Param param{.key = table.text("key"),
              .type = read_type(table),
              .summary = table.text("summary"),
              .unit = table.text("unit"),
              .preset = nullptr,
              .min = nullptr,
              .max = nullptr,
              .choices = table.texts("choices")};
  if (table.node("choices") && element_type(param.type) != GESSO_VALUE_TEXT)
    table.fail("choices",
               fmt::format("type {} has no choices; only texts do", type_name(param.type)));
  if (table.node("choices") && param.choices.empty()) table.fail("choices", "there is no choice");
  param.min = read_bound(table, "min", param.type);
  param.max = read_bound(table, "max", param.type);
  if (!param.min.is_null() && !param.max.is_null() && param.min > param.max)
    table.fail("min", fmt::format("min {} is above max {}", param.min.dump(), param.max.dump()));
  param.preset = read_value(table, "default", param.type);
  if (!param.preset.is_null()) check_preset(table, param);
  return param;
}

}  // namespace

std::string_view type_name(int32_t type) {
  const auto known = std::ranges::find(kTypeNames, type, &TypeName::type);
  return known == std::end(kTypeNames) ? "unknown" : known->name;
}

std::vector<Param> read_params(const StrictTable& component, std::string_view key,
                               const std::string& title) {
  std::vector<Param> params;
  for (const toml::table* entry : component.tables(key)) {
    const StrictTable table(*entry, title, kParamKeys);
    Param param = read_param(table);
    if (std::ranges::find(params, param.key, &Param::key) != params.end())
      table.fail("key", fmt::format("\"{}\" is described twice in {}", param.key, title));
    params.push_back(std::move(param));
  }
  return params;
}

int32_t element_type(int32_t type) {
  switch (type) {
    case GESSO_VALUE_INTS:
      return GESSO_VALUE_INT;
    case GESSO_VALUE_REALS:
      return GESSO_VALUE_REAL;
    case GESSO_VALUE_TEXTS:
      return GESSO_VALUE_TEXT;
    default:
      return type;
  }
}

}  // namespace gesso::registry
