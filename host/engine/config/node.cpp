#include "engine/config/node.hpp"

#include <algorithm>
#include <sstream>
#include <tuple>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "engine/base/mapped_file.hpp"
#include "engine/base/toml_text.hpp"
#include "engine/config/params.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace {

using SourcePtr = std::shared_ptr<const Source>;

constexpr size_t kMaxFileBytes = 4 << 20;  // hundreds of times what people write by hand

Place place_of(const SourcePtr& source, const toml::source_region& region) {
  return {source, region.begin.line, region.begin.column};
}

Node convert(const toml::node& from, const SourcePtr& source);

Node convert_table(const toml::table& table, const SourcePtr& source) {
  Node node;
  for (auto&& [key, value] : table) {
    Node child = convert(value, source);
    child.key = std::string(key.str());
    child.key_place = place_of(source, key.source());
    node.children.push_back(std::move(child));
  }
  const auto position = [](const Node& child) {
    return std::tuple(child.key_place.line, child.key_place.column);
  };
  std::stable_sort(node.children.begin(), node.children.end(),
                   [&](const Node& a, const Node& b) { return position(a) < position(b); });
  return node;
}

Node convert_list(const toml::array& list, const SourcePtr& source) {
  Node node;
  node.type = NodeType::List;
  for (const toml::node& item : list) node.children.push_back(convert(item, source));
  return node;
}

Node scalar_node(NodeType type, nlohmann::json value) {
  Node node;
  node.type = type;
  node.scalar = std::move(value);
  return node;
}

std::string date_text(const toml::node& from) {
  std::ostringstream text;
  if (const auto* value = from.as_date()) text << value->get();
  if (const auto* value = from.as_time()) text << value->get();
  if (const auto* value = from.as_date_time()) text << value->get();
  return text.str();
}

Node convert_value(const toml::node& from, const SourcePtr& source) {
  if (const auto* table = from.as_table()) return convert_table(*table, source);
  if (const auto* list = from.as_array()) return convert_list(*list, source);
  if (const auto* text = from.as_string()) return scalar_node(NodeType::Text, text->get());
  if (const auto* number = from.as_integer()) return scalar_node(NodeType::Int, number->get());
  if (const auto* number = from.as_floating_point()) {
    return scalar_node(NodeType::Real, number->get());
  }
  if (const auto* truth = from.as_boolean()) return scalar_node(NodeType::Bool, truth->get());
  return scalar_node(NodeType::Date, date_text(from));
}

Node convert(const toml::node& from, const SourcePtr& source) {
  Node node = convert_value(from, source);
  node.place = place_of(source, from.source());
  return node;
}

}  // namespace

const Node* Node::find(std::string_view name) const {
  for (const Node& child : children) {
    if (type == NodeType::Table && child.key == name) return &child;
  }
  return nullptr;
}

Node* Node::find(std::string_view name) {
  return const_cast<Node*>(static_cast<const Node*>(this)->find(name));
}

nlohmann::json Node::json() const {
  if (type == NodeType::Table) {
    auto object = nlohmann::json::object();
    for (const Node& child : children) object[child.key] = child.json();
    return object;
  }
  if (type == NodeType::List) {
    auto array = nlohmann::json::array();
    for (const Node& child : children) array.push_back(child.json());
    return array;
  }
  return scalar;
}

std::string Node::describe() const {
  return type == NodeType::Date ? "a date or time" : config::describe(json());
}

Node parse_document(std::string_view text, std::shared_ptr<const Source> source) {
  try {
    const toml::table table = base::parse_toml(text);
    Node root = convert(table, source);
    root.place = root.key_place = {source, 0, 0};
    return root;
  } catch (const toml::parse_error& error) {
    throw Error(
        Status::InvalidArgument,
        fmt::format("{}: {}", place_of(source, error.source()).text(), error.description()));
  }
}

Node parse_file(const std::filesystem::path& path, const std::string& name) {
  const auto file = base::MappedFile::open(path);
  const auto bytes = file->bytes();
  if (bytes.size() > kMaxFileBytes) {
    throw Error(Status::BadData,
                fmt::format("{}: {} bytes are too many for a pipeline file; is this a weight file?",
                            name, bytes.size()));
  }
  const auto source = std::make_shared<const Source>(
      Source{name, std::filesystem::absolute(path).lexically_normal().parent_path(), true});
  return parse_document({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, source);
}

}  // namespace gesso::config
