// TOML tables of which every key is known: read with checked types, errors as file:line:column.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>
#include <nlohmann/json.hpp>

namespace gesso::registry {

enum class KeyType { Text, Integer, Boolean, Table, Texts, Tables, TextOrTable, Any };

/// One key of a table. The tables of keys are in manifest_keys.hpp; the schemas say the same.
struct Key {
  std::string_view name;
  KeyType type;
  bool required = false;
};

/// Reads a whole file. @throws Error InvalidArgument with file:line:column
toml::table parse_toml(const std::filesystem::path& file);

/// The same of a text. @param name  what messages call it
toml::table parse_toml_text(std::string_view text, std::string_view name);

/// "turbo.variant.toml:12:9" of a node that was read from a file.
std::string place(const toml::node& node);

/// @throws Error InvalidArgument, the text beginning with the place of `node`
[[noreturn]] void fail_at(const toml::node& node, std::string_view text);

/// Numbers, texts, booleans, lists and tables as JSON. @throws Error InvalidArgument for dates,
/// inf, nan
nlohmann::json to_json(const toml::node& node);

/// A table that was checked against its keys. It refers to the TOML document, which must outlive
/// it.
class StrictTable {
 public:
  /// @param title  how messages call the table: "[[component]]"
  /// @throws Error InvalidArgument for a key that is unknown (with the nearest one), missing, of
  ///               another type, or an empty text
  StrictTable(const toml::table& table, std::string title, std::span<const Key> keys);

  const toml::table& table() const { return table_; }
  const std::string& title() const { return title_; }

  // Of keys in the list that was given; absent ones are "", `otherwise`, empty or null.
  std::string text(std::string_view key) const;
  int64_t integer(std::string_view key, int64_t otherwise = 0) const;
  bool flag(std::string_view key, bool otherwise) const;
  std::vector<std::string> texts(std::string_view key) const;
  const toml::table* table(std::string_view key) const;
  std::vector<const toml::table*> tables(std::string_view key) const;
  const toml::node* node(std::string_view key) const { return table_.get(key); }

  /// As `fail_at`, at the value of `key`, or at the table when it is absent.
  [[noreturn]] void fail(std::string_view key, std::string_view text) const;

 private:
  void check_key(const toml::key& key, const toml::node& value, std::span<const Key> keys) const;

  const toml::table& table_;
  std::string title_;
};

}  // namespace gesso::registry
