// Reading one table of a document against the parameters that may stand in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/config/node.hpp"
#include "engine/config/params.hpp"
#include "engine/config/problem.hpp"

namespace gesso::config {

/// Every key that a document may have, by table, so that a misplaced or misspelt one can be
/// advised.
class Vocabulary {
 public:
  /// `table` as in TOML, without brackets; "" is the top level.
  void add(const std::string& table, const std::vector<registry::Param>& params);
  void add(const std::string& table, const std::string& key);

  /// `unknown key "promt" in [generate]; did you mean "prompt"?`
  std::string unknown_key(const std::string& table, const std::string& key) const;

 private:
  struct Entry {
    std::string table;
    std::vector<std::string> keys;
  };
  std::vector<std::string> keys_of(const std::string& table) const;
  std::vector<std::string> tables_with(const std::string& key) const;

  std::vector<Entry> entries_;
};

/// "generate.seed"; at the top level just "seed".
std::string dotted(const std::string& table, const std::string& key);

/// One value, checked; paths are resolved. Null, and a problem, when it is wrong.
nlohmann::json read_value(const Node& node, const registry::Param& param, const std::string& label,
                          Problems& problems);

/// All values of a table by key. What is wrong becomes a problem and is left out. Without a
/// `vocabulary`, unknown keys are passed over.
nlohmann::json read_table(const Node& node, const std::string& table,
                          const std::vector<registry::Param>& params, const Vocabulary* vocabulary,
                          Problems& problems);

}  // namespace gesso::config
