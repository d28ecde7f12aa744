#include "engine/config/merge.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/config/table.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTopLevelKeys[] = {
    "extends",          "model",           "variant",       "numerics",   "dtype",
    "local_model_path", "download_source", "skip_download", "components", "adapters",
    "generate",         "output",          "memory",        "plugins"};

/// A file that is being read; a second visit to one is a circle.
struct Visit {
  fs::path path;
  std::string name;
};

[[noreturn]] void fail(const Place& place, Status status, const std::string& text) {
  throw Error(status, fmt::format("{}: extends: {}", place.text(), text));
}

void check_circle(const Place& place, const std::vector<Visit>& visits, const Visit& next) {
  const auto first = std::find_if(visits.begin(), visits.end(),
                                  [&](const Visit& visit) { return visit.path == next.path; });
  if (first == visits.end()) return;
  std::vector<std::string> names;
  for (auto visit = first; visit != visits.end(); ++visit) names.push_back(visit->name);
  names.push_back(next.name);
  fail(place, Status::InvalidArgument,
       fmt::format("these files extend each other in a circle: {}", fmt::join(names, " -> ")));
}

/// The file that `extends` means, called like the file that says it, folder and all.
Visit base_of(const Node& extends) {
  const Place& place = extends.place;
  if (extends.type != NodeType::Text) {
    fail(place, Status::InvalidArgument,
         fmt::format("expected the path of one file, found {}", extends.describe()));
  }
  const fs::path path = extends.scalar.get<std::string>();
  try {
    const fs::path resolved = place.resolve(path);
    if (!fs::is_regular_file(resolved)) {
      throw Error(Status::NotFound, fmt::format("there is no file \"{}\"", resolved.string()));
    }
    const fs::path beside = fs::path(place.source->name).parent_path() / path;
    return {fs::canonical(resolved), beside.lexically_normal().string()};
  } catch (const Error& error) {
    fail(place, error.status(), error.what());
  }
}

/// `model` is `variant` by the name that users expect: from here on there is one of them.
Node model_as_variant(Node document) {
  Node* model = document.find("model");
  if (!model) return document;
  if (document.find("variant")) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: model: the same as variant, which is set, too; keep one of them",
                            model->key_place.text()));
  }
  model->key = "variant";
  return document;
}

Node with_base(Node document, std::vector<Visit> visits) {
  document = model_as_variant(std::move(document));
  const Node* extends = document.find("extends");
  if (!extends) return document;
  const Visit base = base_of(*extends);
  check_circle(extends->place, visits, base);
  visits.push_back(base);
  std::erase_if(document.children, [](const Node& child) { return child.key == "extends"; });
  return merge(with_base(parse_file(base.path, base.name), visits), std::move(document));
}

struct Override {
  std::string key, value;
};

bool is_utf8(const std::string& text) {
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

Override split_override(const std::string& text, const TableOfKey& table_of) {
  if (!is_utf8(text)) throw Error(Status::InvalidArgument, "--set: the text is not UTF-8");
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(Status::InvalidArgument,
                fmt::format("--set {}: expected key=value, such as generate.seed=7", text));
  }
  std::string key = text.substr(0, equals);
  key.erase(key.find_last_not_of(' ') + 1);
  const bool top =
      std::find(std::begin(kTopLevelKeys), std::end(kTopLevelKeys), key) != std::end(kTopLevelKeys);
  if (!top && key.find('.') == std::string::npos) {
    key = dotted(table_of ? table_of(key) : "generate", key);
  }
  return {key, text.substr(equals + 1)};
}

Node& innermost(Node& node) {
  return node.type == NodeType::Table ? innermost(node.children.front()) : node;
}

/// The value as TOML, else as plain text. A date is text that looks like one.
Node parse_value(const std::string& text, const std::shared_ptr<const Source>& source) {
  Node plain;
  plain.type = NodeType::Text;
  plain.scalar = text;
  plain.place = {source, 0, 0};
  try {
    Node document = parse_document("value = " + text, source);
    Node value = std::move(document.children.front());
    // A second key can only come from a line break in the text.
    return document.children.size() > 1 || value.type == NodeType::Date ? plain : value;
  } catch (const Error&) {
    return plain;
  }
}

/// The keys as nested tables around a number that stands for the value.
Node parse_key(const std::string& key, const std::string& text,
               const std::shared_ptr<const Source>& source) {
  try {
    return parse_document(key + " = 0", source);
  } catch (const Error&) {
    throw Error(Status::InvalidArgument,
                fmt::format("--set {}: \"{}\" is no key; expected names joined by dots, such as "
                            "generate.seed",
                            text, key));
  }
}

Node override_document(const std::string& text, const TableOfKey& table_of) {
  const Override set = split_override(text, table_of);
  const auto source =
      std::make_shared<const Source>(Source{"--set " + text, fs::current_path(), false});
  Node document = parse_key(set.key, text, source);
  if (document.find("extends")) {
    throw Error(Status::InvalidArgument,
                fmt::format("--set {}: extends is read from files only", text));
  }
  Node& place = innermost(document);
  Node value = parse_value(set.value, source);
  value.key = place.key;
  value.key_place = place.key_place;
  place = std::move(value);
  return model_as_variant(std::move(document));
}

}  // namespace

std::span<const std::string_view> top_level_keys() { return kTopLevelKeys; }

Node merge(Node base, Node above) {
  if (base.type != NodeType::Table || above.type != NodeType::Table) return above;
  for (Node& child : above.children) {
    if (Node* below = base.find(child.key)) {
      *below = merge(std::move(*below), std::move(child));
    } else {
      base.children.push_back(std::move(child));
    }
  }
  above.children = std::move(base.children);
  return above;
}

Node load_document(const fs::path& path) {
  Node document = parse_file(path, path.string());
  return with_base(std::move(document), {{fs::canonical(path), path.string()}});
}

Node load_document_text(std::string_view text, const std::string& name, const fs::path& folder) {
  Source source{name, std::nullopt, true};
  if (!folder.empty()) source.folder = fs::absolute(folder).lexically_normal();
  return with_base(parse_document(text, std::make_shared<const Source>(std::move(source))), {});
}

Node apply_overrides(Node document, std::span<const std::string> overrides,
                     const TableOfKey& table_of) {
  for (const std::string& text : overrides) {
    document = merge(std::move(document), override_document(text, table_of));
  }
  return document;
}

}  // namespace gesso::config
