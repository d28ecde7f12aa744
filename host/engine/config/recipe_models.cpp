#include "engine/config/recipe_models.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/base/json_text.hpp"
#include "engine/config/component_files.hpp"
#include "engine/models/model_ref.hpp"
#include "engine/weights/recognise.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using registry::Role;
using registry::VariantInfo;

/// An entry as it was written: files, or a model of a hub.
struct Entry {
  std::string written;
  std::vector<std::string> paths;  // of model_paths
  ModelAndPattern model;           // of model_id_with_origin_paths
  const Node* node = nullptr;

  bool published_as(const Role& role) const {
    return paths.empty() && !role.model_id.empty() && role.model_id == model.model_id &&
           role.origin_file_pattern == model.pattern;
  }
};

Node text_node(const std::string& text, const Node& like) {
  Node node;
  node.type = NodeType::Text;
  node.scalar = text;
  node.place = node.key_place = like.place;
  return node;
}

Node with_key(Node node, const std::string& key) {
  node.key = key;
  return node;
}

/// model_paths: a list whose items are a path or a list of shards; or a text with JSON for it.
std::vector<Entry> entries_of_paths(const Node& node, Problems& problems) {
  json value = node.json();
  if (value.is_string() && value.get<std::string>().starts_with('[')) {
    value = base::parse_json(value.get<std::string>());
  }
  if (value.is_string()) value = json::array({value});
  const auto wrong = [&] {
    problems.error(node.place, "train.model_paths: expected paths, or lists of shards, found " +
                                   node.describe());
    return std::vector<Entry>{};
  };
  if (!value.is_array()) return wrong();
  std::vector<Entry> entries;
  for (const json& item : value) {
    Entry entry{item.is_string() ? item.get<std::string>() : item.dump(), {}, {}, &node};
    for (const json& path : item.is_array() ? item : json::array({item})) {
      if (!path.is_string()) return wrong();
      try {
        entry.paths.push_back(node.place.resolve(path.get<std::string>()).string());
      } catch (const Error& error) {
        problems.error(node.place, std::string("train.model_paths: ") + error.what());
      }
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<Entry> entries_of_models(const Node& node, Problems& problems) {
  std::vector<Entry> entries;
  for (const std::string& written : split_list(node.json())) {
    try {
      entries.push_back({written, {}, split_model(written), &node});
    } catch (const Error& error) {
      problems.error(node.place, std::string("train.model_id_with_origin_paths: ") + error.what());
    }
  }
  return entries;
}

bool needs_files(const Role& role) { return role.required && !role.model_id.empty(); }

/// The variant whose published files most entries are, and that lacks fewest; null when none fits.
const VariantInfo* likely_variant(const std::vector<Entry>& entries, const std::string& template_id,
                                  const registry::Registry& registry) {
  const VariantInfo* best = nullptr;
  int best_score = 0;
  for (const VariantInfo& variant : registry.variants()) {
    int score = 0;
    if (!template_id.empty() &&
        std::ranges::find(variant.aliases, template_id) != variant.aliases.end()) {
      score += 100;
    }
    for (const Role& role : variant.roles) {
      const bool given = std::ranges::any_of(
          entries, [&](const Entry& entry) { return entry.published_as(role); });
      // The denoiser tells variants apart; the other files many of them share.
      if (given) score += role.kind == "denoiser" || role.kind == "controller" ? 10 : 2;
      if (!given && needs_files(role)) score -= 1;
    }
    if (score > best_score) {
      best = &variant;
      best_score = score;
    }
  }
  return best;
}

/// The role that a component of these files fills, told by their content; "" when none does.
std::string role_of_files(const std::vector<fs::path>& files, const VariantInfo& variant,
                          const registry::Registry& registry) {
  const auto set = weights::WeightSet::open(files);
  std::string best;
  double best_score = 0;
  for (const Role& role : variant.roles) {
    for (const auto& component : registry.components()) {
      if (component.kind != role.kind || !component.pattern) continue;
      const weights::Match match = weights::match(set, *component.pattern);
      if (match.score <= best_score) continue;
      best = role.name;
      best_score = match.score;
    }
  }
  return best;
}

std::string role_of(const Entry& entry, const VariantInfo& variant,
                    const registry::Registry& registry, models::ModelRef settings,
                    std::vector<models::ModelRef>* missing, Problems& problems) {
  for (const Role& role : variant.roles) {
    if (entry.published_as(role)) return role.name;
  }
  try {
    std::vector<fs::path> files(entry.paths.begin(), entry.paths.end());
    if (entry.paths.empty()) {
      settings.model_id = entry.model.model_id;
      settings.origin_file_pattern = entry.model.pattern;
      files = find_or_note(settings, missing);
    }
    const std::string role = role_of_files(files, variant, registry);
    if (!role.empty()) return role;
    problems.error(entry.node->place,
                   fmt::format("train: \"{}\" is the file of no component of variant \"{}\"",
                               entry.written, variant.name),
                   Status::Incompatible);
  } catch (const Error& error) {
    problems.error(entry.node->place, fmt::format("train: \"{}\": {}", entry.written, error.what()),
                   error.status());
  }
  return {};
}

/// A table for the role, unless the document has said where its files are.
void add_table(Node& document, const std::string& role, const Entry& entry) {
  Node* components = document.find("components");
  if (!components) {
    Node table;
    table.place = table.key_place = entry.node->place;
    document.children.push_back(with_key(std::move(table), "components"));
    components = &document.children.back();
  }
  Node* table = components->find(role);
  if (!table) {
    Node empty;
    empty.place = empty.key_place = entry.node->place;
    components->children.push_back(with_key(std::move(empty), role));
    table = &components->children.back();
  }
  if (table->type != NodeType::Table || table->find("path") || table->find("model_id")) return;
  if (entry.paths.empty()) {
    table->children.push_back(with_key(text_node(entry.model.model_id, *entry.node), "model_id"));
    table->children.push_back(
        with_key(text_node(entry.model.pattern, *entry.node), "origin_file_pattern"));
    return;
  }
  Node list;
  list.type = NodeType::List;
  list.place = list.key_place = entry.node->place;
  for (const std::string& path : entry.paths) list.children.push_back(text_node(path, *entry.node));
  table->children.push_back(with_key(std::move(list), "path"));
}

const VariantInfo* named_variant(const Node& document, const registry::Registry& registry) {
  const Node* variant = document.find("variant");
  if (!variant || variant->type != NodeType::Text) return nullptr;
  try {
    return &registry.variant(variant->scalar.get<std::string>());
  } catch (const Error&) {
    return nullptr;  // checking the pipeline tells it
  }
}

/// What the top level says about models; what is wrong with it is told later.
models::ModelRef settings_of(const Node& document) {
  const auto value = [&](const char* key, NodeType type) {
    const Node* node = document.find(key);
    return node && node->type == type ? node : nullptr;
  };
  models::ModelRef settings;
  if (const Node* folder = value("local_model_path", NodeType::Text)) {
    settings.local_model_path = folder->place.resolve(folder->scalar.get<std::string>()).string();
  }
  if (const Node* source = value("download_source", NodeType::Text)) {
    settings.download_source = source->scalar;
  }
  if (const Node* skip = value("skip_download", NodeType::Bool)) {
    settings.skip_download = skip->scalar.get<bool>();
  }
  return settings;
}

}  // namespace

ModelAndPattern split_model(const std::string& written) {
  const size_t colon = written.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    throw Error(Status::InvalidArgument,
                fmt::format("\"{}\": expected \"model:pattern\", such as "
                            "\"Tongyi-MAI/Z-Image-Turbo:transformer/*.safetensors\"",
                            written));
  }
  return {written.substr(0, colon), written.substr(colon + 1)};
}

std::vector<std::string> split_list(const json& value) {
  std::vector<std::string> parts;
  for (const json& item : value.is_array() ? value : json::array({value})) {
    if (!item.is_string()) continue;  // checking the value tells it
    const std::string text = item;
    for (size_t at = 0; at <= text.size();) {
      const size_t comma = std::min(text.find(',', at), text.size());
      const size_t begin = text.find_first_not_of(' ', at);
      if (begin < comma) {
        const std::string part = text.substr(begin, comma - begin);
        parts.push_back(part.substr(0, part.find_last_not_of(' ') + 1));
      }
      at = comma + 1;
    }
  }
  return parts;
}

std::vector<NamedModel> add_named_models(Node& document, const registry::Registry& registry,
                                         std::vector<models::ModelRef>* missing,
                                         Problems& problems) {
  const Node* train = document.find("train");
  if (!train || train->type != NodeType::Table) return {};
  const Node train_copy = *train;  // `document` grows below
  std::vector<Entry> entries;
  if (const Node* paths = train_copy.find("model_paths"))
    entries = entries_of_paths(*paths, problems);
  if (const Node* models = train_copy.find("model_id_with_origin_paths")) {
    for (Entry& entry : entries_of_models(*models, problems)) entries.push_back(std::move(entry));
  }

  std::string template_id;
  const Node* template_node = train_copy.find("template_model_id_or_path");
  if (template_node && template_node->type == NodeType::Text) {
    template_id = template_node->scalar.get<std::string>();
    if (template_id.find(':') != std::string::npos) template_id = split_model(template_id).model_id;
  }
  if (!document.find("variant") && (!entries.empty() || !template_id.empty())) {
    const VariantInfo* likely = likely_variant(entries, template_id, registry);
    if (likely) {
      const Node& from = entries.empty() ? *template_node : *entries.front().node;
      document.children.push_back(with_key(text_node(likely->id, from), "variant"));
    }
  }

  const VariantInfo* variant = named_variant(document, registry);
  if (!variant) return {};
  std::vector<NamedModel> models;
  for (const Entry& entry : entries) {
    models.push_back({entry.written, role_of(entry, *variant, registry, settings_of(document),
                                             missing, problems)});
    if (!models.back().role.empty()) add_table(document, models.back().role, entry);
  }
  if (const Node* tokenizer = train_copy.find("tokenizer_path");
      tokenizer && tokenizer->type == NodeType::Text) {
    add_table(document, "tokenizer",
              {"",
               {tokenizer->place.resolve(tokenizer->scalar.get<std::string>()).string()},
               {},
               tokenizer});
  }
  if (template_node && template_node->type == NodeType::Text) {
    const std::string written = template_node->scalar;
    Entry entry{written, {}, {}, template_node};
    if (written.find(':') != std::string::npos) {
      entry.model = split_model(written);
    } else {
      entry.paths = {template_node->place.resolve(written).string()};
    }
    add_table(document, "image2lora", entry);
  }
  return models;
}

}  // namespace gesso::config
