#include "engine/registry/json_values.hpp"

#include <algorithm>

namespace gesso::registry {
namespace {

void add_value(ValueList& values, const std::string& key, const nlohmann::json& value) {
  if (value.is_boolean()) {
    values.set_boolean(key, value.get<bool>());
  } else if (value.is_number_integer()) {
    values.set_integer(key, value.get<int64_t>());
  } else if (value.is_number()) {
    values.set_real(key, value.get<double>());
  } else if (value.is_string()) {
    values.set_text(key, value.get<std::string>());
  } else if (value.is_array() && !value.empty()) {
    const auto all = [&](auto test) { return std::all_of(value.begin(), value.end(), test); };
    if (all([](const auto& v) { return v.is_number_integer(); })) {
      values.set_integers(key, value.get<std::vector<int64_t>>());
    } else if (all([](const auto& v) { return v.is_number(); })) {
      values.set_reals(key, value.get<std::vector<double>>());
    } else if (all([](const auto& v) { return v.is_string(); })) {
      values.set_texts(key, value.get<std::vector<std::string>>());
    }
  }
}

}  // namespace

void add_values(ValueList& values, const nlohmann::json& object, const std::string& prefix) {
  if (!object.is_object()) return;
  for (const auto& [key, value] : object.items()) add_value(values, prefix + key, value);
}

ValueList values_from_json(const nlohmann::json& object) {
  ValueList values;
  add_values(values, object);
  return values;
}

}  // namespace gesso::registry
