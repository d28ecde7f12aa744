// The schemas that editors use and the tables that the parser uses must say the same.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "engine/registry/manifest_keys.hpp"

using namespace gesso::registry;
using nlohmann::json;

namespace {

json read_schema(const std::string& name) {
  std::ifstream file(GESSO_SOURCE_DIR "/schemas/" + name);
  REQUIRE(file);
  return json::parse(file);
}

// Follows "$ref": "#/...".
const json& resolve(const json& schema, const json& node) {
  if (!node.contains("$ref")) return node;
  return resolve(schema, schema.at(json::json_pointer(node["$ref"].get<std::string>().substr(1))));
}

// "string", "array of object", "string or object", or "" when any type is allowed.
std::string type_of(const json& schema, const json& unresolved) {
  const json& node = resolve(schema, unresolved);
  if (!node.contains("type")) return "";
  if (node["type"].is_array()) return "string or object";
  const std::string type = node["type"];
  return type == "array" ? "array of " + type_of(schema, node["items"]) : type;
}

std::string expected_type(KeyType type) {
  switch (type) {
    case KeyType::Text:
      return "string";
    case KeyType::Integer:
      return "integer";
    case KeyType::Boolean:
      return "boolean";
    case KeyType::Table:
      return "object";
    case KeyType::Texts:
      return "array of string";
    case KeyType::Tables:
      return "array of object";
    case KeyType::TextOrTable:
      return "string or object";
    case KeyType::Any:
      return "";
  }
  return "?";
}

void check_same(const json& schema, const std::string& place, std::span<const Key> keys) {
  CAPTURE(place);
  const json& node = schema.at(json::json_pointer(place));
  CHECK(node["additionalProperties"] == false);
  std::set<std::string> in_schema, in_parser, required;
  for (const auto& [key, value] : node["properties"].items()) in_schema.insert(key);
  for (const Key& key : keys) {
    CAPTURE(key.name);
    in_parser.emplace(key.name);
    if (key.required) required.emplace(key.name);
    const json& property = node["properties"].value(std::string(key.name), json::object());
    if (key.type == KeyType::Any) continue;  // the schema may be narrower
    CHECK(type_of(schema, property) == expected_type(key.type));
  }
  CHECK(in_schema == in_parser);
  CHECK(node.value("required", json::array()).get<std::set<std::string>>() == required);
}

std::vector<std::string> names(std::span<const std::string_view> views) {
  return {views.begin(), views.end()};
}

}  // namespace

TEST_CASE("the schema of a manifest has the keys of the parser") {
  const json schema = read_schema("manifest.schema.json");
  check_same(schema, "", kManifestKeys);
  check_same(schema, "/$defs/plugin", kPluginKeys);
  check_same(schema, "/$defs/abi", kAbiKeys);
  check_same(schema, "/$defs/requires", kRequiresKeys);
  check_same(schema, "/$defs/permissions", kPermissionsKeys);
  check_same(schema, "/$defs/component", kComponentKeys);
  check_same(schema, "/$defs/param", kParamKeys);
  check_same(schema, "/$defs/adapter", kAdapterKeys);
}

TEST_CASE("the schema of a variant has the keys of the parser") {
  const json schema = read_schema("variant.schema.json");
  check_same(schema, "", kVariantKeys);
  check_same(schema, "/$defs/role", kRoleKeys);
  check_same(schema, "/$defs/synthetic", kSyntheticKeys);
}

TEST_CASE("the schemas list the kinds and the types of parameters") {
  const json manifest = read_schema("manifest.schema.json");
  const json variant = read_schema("variant.schema.json");
  CHECK(manifest["$defs"]["kind"]["anyOf"][0]["enum"] == json(names(kKinds)));
  CHECK(variant["$defs"]["kind"] == manifest["$defs"]["kind"]);
  std::vector<std::string> types;
  for (const TypeName& type : kTypeNames) types.emplace_back(type.name);
  CHECK(manifest["$defs"]["param"]["properties"]["type"]["enum"] == json(types));
}
