#include "validate/sample.hpp"

#include <toml++/toml.h>

#include "engine/registry/strict_table.hpp"

namespace gesso::validate {
namespace {

using registry::Key;
using registry::KeyType;
using registry::StrictTable;

constexpr Key kFileKeys[] = {{"component", KeyType::Tables, true}};
constexpr Key kComponentKeys[] = {
    {"id", KeyType::Text, true}, {"weights", KeyType::Texts},    {"config", KeyType::Table},
    {"values", KeyType::Table},  {"run_values", KeyType::Table}, {"sizes", KeyType::Table},
    {"feed", KeyType::Texts},    {"features", KeyType::Table},   {"adapter", KeyType::Text},
};

nlohmann::json object(const StrictTable& table, const char* key) {
  const toml::table* found = table.table(key);
  return found ? registry::to_json(*found) : nlohmann::json::object();
}

std::map<std::string, int64_t> numbers(const StrictTable& table, const char* key) {
  std::map<std::string, int64_t> result;
  const nlohmann::json given = object(table, key);
  for (const auto& [name, value] : given.items()) {
    if (!value.is_number_integer() || value < 0) {
      table.fail(key, fmt::format("{}.{} must be a whole number, 0 or more", key, name));
    }
    result[name] = value;
  }
  return result;
}

}  // namespace

void read_samples(const std::filesystem::path& file, Samples& samples) {
  const toml::table document = registry::parse_toml(file);
  const StrictTable top(document, "the sample", kFileKeys);
  // A link beside the library leads to the sample in the sources, and to what lies there.
  const std::filesystem::path folder = std::filesystem::canonical(file).parent_path();
  for (const toml::table* entry : top.tables("component")) {
    const StrictTable table(*entry, "[[component]]", kComponentKeys);
    Sample sample{.weights = {},
                  .config = object(table, "config"),
                  .values = object(table, "values"),
                  .run_values = object(table, "run_values"),
                  .sizes = numbers(table, "sizes"),
                  .feed = table.texts("feed"),
                  .features = numbers(table, "features"),
                  .adapter = {}};
    for (const std::string& path : table.texts("weights")) sample.weights.push_back(folder / path);
    if (table.node("adapter")) sample.adapter = folder / table.text("adapter");
    if (sample.values.contains("path")) {  // where a tokenizer's file is
      sample.values["path"] = (folder / sample.values["path"].get<std::string>()).string();
    }
    samples[table.text("id")] = std::move(sample);
  }
}

}  // namespace gesso::validate
