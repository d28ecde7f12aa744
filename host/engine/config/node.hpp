// First stage: TOML as a tree in which every key and value knows where it was written.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/config/place.hpp"

namespace gesso::config {

enum class NodeType { Table, List, Text, Int, Real, Bool, Date };

struct Node {
  NodeType type = NodeType::Table;
  std::string key;             // its name in the table; empty in a list and at the root
  Place key_place;             // where the key stands
  Place place;                 // where the value stands
  nlohmann::json scalar;       // Text, Int, Real, Bool; a Date is kept as text
  std::vector<Node> children;  // of a table, in the order of the file; of a list

  const Node* find(std::string_view name) const;
  Node* find(std::string_view name);

  /// The value without places.
  nlohmann::json json() const;
  /// For messages: `the text "big"`, `the integer 3`, `a table`.
  std::string describe() const;
};

/// @throws Error  InvalidArgument with file:line:column and what TOML expects there
Node parse_document(std::string_view text, std::shared_ptr<const Source> source);

/// Reads a file; `name` is what messages call it.
/// @throws Error  also NotFound and Denied, and BadData for something that cannot be a pipeline
/// file
Node parse_file(const std::filesystem::path& path, const std::string& name);

}  // namespace gesso::config
