#include "engine/config/table.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/suggest.hpp"

namespace gesso::config {
namespace {

using nlohmann::json;
using registry::Param;

/// "into [generate]", "at the top level".
std::string located(const char* preposition, const std::string& table) {
  return table.empty() ? "at the top level" : fmt::format("{} [{}]", preposition, table);
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool has_date(const Node& node) {
  return node.type == NodeType::Date ||
         std::any_of(node.children.begin(), node.children.end(), has_date);
}

/// On the command line a number or a truth value is easily meant as text.
std::string quoting_advice(const Node& node, const Param& param) {
  const bool wants_text = param.type == GESSO_VALUE_TEXT || param.type == GESSO_VALUE_TEXTS;
  const bool scalar =
      node.type == NodeType::Int || node.type == NodeType::Real || node.type == NodeType::Bool;
  if (node.place.source->has_lines || !wants_text || !scalar) return {};
  return fmt::format("; as a text it is written '\"{}\"'", node.scalar.dump());
}

json resolve_paths(const Place& place, const json& value) {
  if (value.is_string()) return place.resolve(value.get<std::string>()).string();
  json resolved = json::array();
  for (const json& item : value) resolved.push_back(resolve_paths(place, item));
  return resolved;
}

}  // namespace

void Vocabulary::add(const std::string& table, const std::vector<Param>& params) {
  for (const Param& param : params) add(table, param.key);
}

void Vocabulary::add(const std::string& table, const std::string& key) {
  for (Entry& entry : entries_) {
    if (entry.table == table) return entry.keys.push_back(key);
  }
  entries_.push_back({table, {key}});
}

std::vector<std::string> Vocabulary::keys_of(const std::string& table) const {
  for (const Entry& entry : entries_) {
    if (entry.table == table) return entry.keys;
  }
  return {};
}

std::vector<std::string> Vocabulary::tables_with(const std::string& key) const {
  std::vector<std::string> tables;
  for (const Entry& entry : entries_) {
    if (contains(entry.keys, key)) tables.push_back(located("into", entry.table));
  }
  return tables;
}

std::string Vocabulary::unknown_key(const std::string& table, const std::string& key) const {
  const std::string found = fmt::format("unknown key \"{}\" {}", key, located("in", table));
  if (const auto tables = tables_with(key); !tables.empty()) {
    return fmt::format("{}; it belongs {}", found, fmt::join(tables, " or "));
  }
  const std::vector<std::string> here = keys_of(table);
  if (std::string advice = base::did_you_mean(key, here); !advice.empty()) return found + advice;
  for (const Entry& entry : entries_) {
    const std::vector<std::string_view> keys(entry.keys.begin(), entry.keys.end());
    const std::string_view near = base::nearest(key, keys);
    if (near.empty()) continue;
    return fmt::format("{}; did you mean \"{}\", which belongs {}?", found, near,
                       located("into", entry.table));
  }
  return fmt::format("{}; expected one of {}", found, fmt::join(here, ", "));
}

std::string dotted(const std::string& table, const std::string& key) {
  return table.empty() ? key : table + "." + key;
}

namespace {

/// Each table by itself, so that problems are told where they stand.
json read_tables(const Node& node, const Param& param, const std::string& label,
                 Problems& problems) {
  const auto is_table = [](const Node& item) { return item.type == NodeType::Table; };
  const bool single = is_table(node);
  const bool list = node.type == NodeType::List && !node.children.empty() &&
                    std::all_of(node.children.begin(), node.children.end(), is_table);
  if (!single && !list) {
    problems.error(node.place, fmt::format("{}: expected {}, found {}", label, expected(param),
                                           node.describe()));
    return nullptr;
  }
  Vocabulary vocabulary;
  vocabulary.add(label, item_params(param.key));
  json tables = json::array();
  const auto add = [&](const Node& table) {
    tables.push_back(read_table(table, label, item_params(param.key), &vocabulary, problems));
  };
  if (single) {
    add(node);
  } else {
    for (const Node& item : node.children) add(item);
  }
  return tables;
}

}  // namespace

json read_value(const Node& node, const Param& param, const std::string& label,
                Problems& problems) {
  if (param.type == kTablesValue) return read_tables(node, param, label, problems);
  if (param.type == kOneTable) {
    Vocabulary vocabulary;
    vocabulary.add(label, item_params(param.key));
    return read_table(node, label, item_params(param.key), &vocabulary, problems);
  }
  if (has_date(node)) {
    problems.error(node.place,
                   fmt::format("{}: expected {}, found a date or time; put it in quotes "
                               "to make it a text",
                               label, expected(param)));
    return nullptr;
  }
  Checked checked = check_value(param, node.json());
  if (!checked.problem.empty()) {
    problems.error(node.place, label + ": " + checked.problem + quoting_advice(node, param));
    return nullptr;
  }
  if (param.unit != kPathUnit) return checked.value;
  try {
    return resolve_paths(node.place, checked.value);
  } catch (const Error& error) {
    problems.error(node.place, label + ": " + error.what(), error.status());
    return nullptr;
  }
}

json read_table(const Node& node, const std::string& table, const std::vector<Param>& params,
                const Vocabulary* vocabulary, Problems& problems) {
  json values = json::object();
  if (node.type != NodeType::Table) {
    problems.error(node.place,
                   fmt::format("{}: expected a table, found {}", table, node.describe()));
    return values;
  }
  for (const Node& child : node.children) {
    const Param* param = find_param(params, child.key);
    if (!param) {
      if (vocabulary) problems.error(child.key_place, vocabulary->unknown_key(table, child.key));
      continue;
    }
    json value = read_value(child, *param, dotted(table, child.key), problems);
    if (!value.is_null()) values[child.key] = std::move(value);
  }
  return values;
}

}  // namespace gesso::config
