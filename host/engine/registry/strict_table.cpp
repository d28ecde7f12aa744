#include "engine/registry/strict_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "engine/base/suggest.hpp"
#include "engine/base/toml_text.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::registry {
namespace {

std::string place(const toml::source_region& source) {
  const std::string file = source.path ? *source.path : "TOML";
  if (!source.begin) return file;
  return fmt::format("{}:{}:{}", file, source.begin.line, source.begin.column);
}

[[noreturn]] void fail_at(const toml::source_region& source, std::string_view text) {
  throw Error(Status::InvalidArgument, fmt::format("{}: {}", place(source), text));
}

bool all_of_type(const toml::node& node, toml::node_type type) {
  const toml::array* array = node.as_array();
  return array &&
         std::ranges::all_of(*array, [&](const auto& item) { return item.type() == type; });
}

bool has_type(const toml::node& node, KeyType type) {
  switch (type) {
    case KeyType::Text:
      return node.is_string();
    case KeyType::Integer:
      return node.is_integer();
    case KeyType::Boolean:
      return node.is_boolean();
    case KeyType::Table:
      return node.is_table();
    case KeyType::Texts:
      return all_of_type(node, toml::node_type::string);
    case KeyType::Tables:
      return all_of_type(node, toml::node_type::table);
    case KeyType::TextOrTable:
      return node.is_string() || node.is_table();
    case KeyType::Any:
      return true;
  }
  return false;
}

std::string_view describe(KeyType type) {
  switch (type) {
    case KeyType::Text:
      return "a text";
    case KeyType::Integer:
      return "a whole number";
    case KeyType::Boolean:
      return "true or false";
    case KeyType::Table:
      return "a table";
    case KeyType::Texts:
      return "a list of texts";
    case KeyType::Tables:
      return "a list of tables";
    case KeyType::TextOrTable:
      return "a text or a table";
    case KeyType::Any:
      return "a value";
  }
  return "";
}

std::string_view describe(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a real number";
    case toml::node_type::boolean:
      return "a truth value";
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    default:
      return "a date or time";
  }
}

std::vector<std::string_view> names(std::span<const Key> keys) {
  std::vector<std::string_view> result;
  for (const Key& key : keys) result.push_back(key.name);
  return result;
}

bool is_empty_text(const toml::node& node) {
  return node.is_string() && node.as_string()->get().empty();
}

}  // namespace

toml::table parse_toml(const std::filesystem::path& file) {
  try {
    return base::read_toml(file);
  } catch (const toml::parse_error& error) {
    fail_at(error.source(), error.description());
  }
}

toml::table parse_toml_text(std::string_view text, std::string_view name) {
  try {
    return base::parse_toml(text, name);
  } catch (const toml::parse_error& error) {
    fail_at(error.source(), error.description());
  }
}

std::string place(const toml::node& node) { return place(node.source()); }

void fail_at(const toml::node& node, std::string_view text) { fail_at(node.source(), text); }

nlohmann::json to_json(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* truth = node.as_boolean()) return truth->get();
  if (const auto* number = node.as_floating_point(); number && std::isfinite(number->get()))
    return number->get();
  if (const auto* array = node.as_array()) {
    nlohmann::json result = nlohmann::json::array();
    for (const auto& item : *array) result.push_back(to_json(item));
    return result;
  }
  if (const auto* table = node.as_table()) {
    nlohmann::json result = nlohmann::json::object();
    for (const auto& [key, value] : *table) result[std::string(key.str())] = to_json(value);
    return result;
  }
  fail_at(node, "expected a finite number, a text, true, false, a list or a table");
}

StrictTable::StrictTable(const toml::table& table, std::string title, std::span<const Key> keys)
    : table_(table), title_(std::move(title)) {
  for (const auto& [key, value] : table) check_key(key, value, keys);
  for (const Key& key : keys)
    if (key.required && !table.contains(key.name))
      fail_at(table,
              fmt::format("{} needs the key \"{}\" ({})", title_, key.name, describe(key.type)));
}

void StrictTable::check_key(const toml::key& key, const toml::node& value,
                            std::span<const Key> keys) const {
  const auto known = std::ranges::find(keys, key.str(), &Key::name);
  if (known == keys.end()) {
    const std::vector<std::string_view> all = names(keys);
    std::string hint = base::did_you_mean(key.str(), all);
    if (hint.empty()) hint = fmt::format("; its keys are {}", fmt::join(all, ", "));
    fail_at(key.source(), fmt::format("unknown key \"{}\" in {}{}", key.str(), title_, hint));
  }
  if (!has_type(value, known->type))
    fail_at(value, fmt::format("\"{}\" in {} must be {}, found {}", key.str(), title_,
                               describe(known->type), describe(value)));
  if (known->type == KeyType::Text && is_empty_text(value))
    fail_at(value, fmt::format("\"{}\" in {} is empty", key.str(), title_));
}

std::string StrictTable::text(std::string_view key) const {
  return table_[key].value_or(std::string());
}

int64_t StrictTable::integer(std::string_view key, int64_t otherwise) const {
  return table_[key].value_or(otherwise);
}

bool StrictTable::flag(std::string_view key, bool otherwise) const {
  return table_[key].value_or(otherwise);
}

std::vector<std::string> StrictTable::texts(std::string_view key) const {
  std::vector<std::string> result;
  if (const toml::array* array = table_[key].as_array())
    for (const auto& item : *array) result.push_back(item.as_string()->get());
  return result;
}

const toml::table* StrictTable::table(std::string_view key) const { return table_[key].as_table(); }

std::vector<const toml::table*> StrictTable::tables(std::string_view key) const {
  std::vector<const toml::table*> result;
  if (const toml::array* array = table_[key].as_array())
    for (const auto& item : *array) result.push_back(item.as_table());
  return result;
}

void StrictTable::fail(std::string_view key, std::string_view text) const {
  const toml::node* value = node(key);
  fail_at(value ? *value : static_cast<const toml::node&>(table_), text);
}

}  // namespace gesso::registry
