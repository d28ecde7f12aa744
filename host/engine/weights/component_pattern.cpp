#include "engine/weights/component_pattern.hpp"

#include "engine/base/expression.hpp"
#include "engine/base/toml_text.hpp"
#include "engine/weights/pattern_syntax.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <set>

namespace gesso::weights {
namespace {

[[noreturn]] void fail(const toml::node& at, const std::string& text) {
  const toml::source_region& source = at.source();
  throw Error(Status::InvalidArgument,
              fmt::format("{}:{}:{}: {}", source.path ? *source.path : std::string("weights"),
                          source.begin.line, source.begin.column, text));
}

/// Runs `parse` and puts the place in the document before the text of its error.
template <class Parse>
auto at_place(const toml::node& place, Parse&& parse) {
  try {
    return parse();
  } catch (const Error& error) {
    fail(place, error.what());
  }
}

std::string text_of(const toml::node& node, std::string_view what) {
  if (const auto* text = node.as_string()) return text->get();
  fail(node, fmt::format("expected text for {}", what));
}

std::regex regex_of(const toml::node& node, std::string_view what) {
  return at_place(node, [&] { return base::expression(text_of(node, what)); });
}

const toml::table& table_of(const toml::node& node, std::string_view what) {
  if (const auto* table = node.as_table()) return *table;
  fail(node, fmt::format("expected a table for {}", what));
}

/// The elements of the list `key` of `table`; none when there is no such key.
std::vector<const toml::node*> list_of(const toml::table& table, std::string_view key) {
  std::vector<const toml::node*> nodes;
  const toml::node* node = table.get(key);
  if (!node) return nodes;
  const auto* list = node->as_array();
  if (!list) fail(*node, fmt::format("expected a list for \"{}\"", key));
  for (const toml::node& element : *list) nodes.push_back(&element);
  return nodes;
}

void refuse_unknown_keys(const toml::table& table, std::initializer_list<std::string_view> known) {
  for (const auto& [key, node] : table) {
    if (std::find(known.begin(), known.end(), key.str()) == known.end()) {
      fail(node, fmt::format("unknown key \"{}\"; expected one of {}", key.str(),
                             fmt::join(known, ", ")));
    }
  }
}

void parse_tensors(const toml::table& weights, std::string_view key, bool optional,
                   ComponentPattern& pattern) {
  const toml::node* node = weights.get(key);
  if (!node) return;
  for (const auto& [name, shape] : table_of(*node, key)) {
    pattern.tensors.push_back(at_place(shape, [&, n = name.str(), s = &shape] {
      return parse_tensor_pattern(n, text_of(*s, "the shape"));
    }));
    pattern.tensors.back().optional = optional;
  }
}

RenameRule parse_rename(const toml::node& node) {
  const auto* pair = node.as_array();
  if (!pair || pair->size() != 2) fail(node, "expected [expression, replacement]");
  return {regex_of((*pair)[0], "an expression"), text_of((*pair)[0], "an expression"),
          text_of((*pair)[1], "a replacement")};
}

SplitRule parse_split(const toml::node& node) {
  const toml::table& table = table_of(node, "\"split\"");
  refuse_unknown_keys(table, {"match", "into"});
  const toml::node* match = table.get("match");
  SplitRule rule;
  for (const toml::node* name : list_of(table, "into"))
    rule.into.push_back(text_of(*name, "a name"));
  if (!match || rule.into.size() < 2) fail(node, "expected match and at least two names in into");
  rule.match = regex_of(*match, "\"match\"");
  rule.text = text_of(*match, "\"match\"");
  return rule;
}

Layout parse_layout(const toml::node& node) {
  const toml::table& table = table_of(node, "\"layout\"");
  refuse_unknown_keys(table, {"name", "prefix", "detect", "rename", "reverse", "split", "flatten",
                              "drop", "architecture"});
  Layout layout;
  const toml::node* name = table.get("name");
  if (!name) fail(node, "a layout needs a name");
  layout.name = text_of(*name, "\"name\"");
  for (const auto* n : list_of(table, "prefix")) layout.prefixes.push_back(text_of(*n, "a prefix"));
  for (const auto* n : list_of(table, "detect")) layout.detect.push_back(text_of(*n, "a name"));
  for (const auto* n : list_of(table, "rename")) layout.rename.push_back(parse_rename(*n));
  for (const auto* n : list_of(table, "reverse"))
    layout.reverse.push_back(regex_of(*n, "\"reverse\""));
  for (const auto* n : list_of(table, "split")) layout.split.push_back(parse_split(*n));
  for (const auto* n : list_of(table, "flatten"))
    layout.flatten.push_back(regex_of(*n, "\"flatten\""));
  for (const auto* n : list_of(table, "drop")) layout.drop.push_back(regex_of(*n, "\"drop\""));
  if (const auto* n = table.get("architecture")) {
    layout.architecture = text_of(*n, "\"architecture\"");
  }
  if (layout.prefixes.empty()) layout.prefixes.push_back("");
  for (size_t i = 0; i < layout.reverse.size(); ++i) {
    if (layout.reverse[i].mark_count() != 1)
      fail(*list_of(table, "reverse")[i], "expected one group");
  }
  return layout;
}

ComponentPattern parse_weights(const std::string& id, const toml::table& weights) {
  refuse_unknown_keys(weights, {"tensors", "optional", "layout"});
  ComponentPattern pattern;
  pattern.id = id;
  parse_tensors(weights, "tensors", /*optional=*/false, pattern);
  if (pattern.tensors.empty()) fail(weights, fmt::format("{} has no tensors", id));
  parse_tensors(weights, "optional", /*optional=*/true, pattern);
  Layout native;
  native.name = "native";
  native.prefixes = {""};
  pattern.layouts.push_back(std::move(native));
  std::set<std::string> names = {"native"};
  for (const toml::node* node : list_of(weights, "layout")) {
    pattern.layouts.push_back(parse_layout(*node));
    if (!names.insert(pattern.layouts.back().name).second) {
      fail(*node, fmt::format("the layout \"{}\" twice", pattern.layouts.back().name));
    }
  }
  return pattern;
}

}  // namespace

ComponentPattern load_component_pattern(const std::string& id, const std::filesystem::path& file) {
  if (std::error_code error; !std::filesystem::exists(file, error)) {
    throw Error(Status::NotFound, fmt::format("{}: there is no such file", file.string()));
  }
  try {
    return parse_weights(id, base::read_toml(file));
  } catch (const toml::parse_error& error) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}:{}:{}: {}", file.string(), error.source().begin.line,
                            error.source().begin.column, error.description()));
  }
}

ComponentPattern parse_component_pattern(const toml::table& component,
                                         const std::filesystem::path& manifest_dir) {
  const toml::node* id = component.get("id");
  const toml::node* weights = component.get("weights");
  if (!id || !weights) fail(component, "expected id and weights in [[component]]");
  const std::string name = text_of(*id, "\"id\"");
  if (const auto* file = weights->as_string()) {
    return load_component_pattern(name, manifest_dir / file->get());
  }
  return parse_weights(name, table_of(*weights, "\"weights\""));
}

std::vector<NamedShape> expand(const ComponentPattern& pattern, const Dimensions& dimensions,
                               bool with_optional) {
  std::vector<NamedShape> tensors;
  const auto require = [&](const std::map<std::string, int64_t>& values, const std::string& key) {
    const auto found = values.find(key);
    if (found != values.end() && found->second > 0) return;
    throw Error(Status::InvalidArgument,
                fmt::format("{}: \"{}\" needs a positive value", pattern.id, key));
  };
  for (const TensorPattern& tensor : pattern.tensors) {
    if (tensor.optional && !tensor.differ && !with_optional) continue;
    for (const IndexTerm& index : tensor.indices) require(dimensions.counts, index.count);
    for_each_index(tensor, dimensions.counts, [&](std::span<const int64_t> indices) {
      if (!exists(tensor, indices, dimensions.sizes)) return;
      NamedShape named{fill_name(tensor, indices), {}};
      for (const SizeTerm& term : tensor.shape) {
        if (!term.symbol.empty()) require(dimensions.sizes, size_key(term, indices));
        const auto extent = extent_of(term, indices, dimensions.sizes);
        if (!extent) {
          throw Error(Status::InvalidArgument, fmt::format("{}: the pattern of \"{}\" leaves an "
                                                           "extent open",
                                                           pattern.id, named.name));
        }
        named.shape.push_back(*extent);
      }
      tensors.push_back(std::move(named));
    });
  }
  return tensors;
}

}  // namespace gesso::weights
