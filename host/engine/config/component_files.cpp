#include "engine/config/component_files.hpp"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "engine/base/expression.hpp"
#include "engine/base/json_text.hpp"
#include "engine/weights/recognise.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

std::vector<weights::ComponentPattern> all_patterns(const registry::Registry& registry) {
  std::vector<weights::ComponentPattern> patterns;
  for (const registry::ComponentInfo& component : registry.components()) {
    if (component.pattern) patterns.push_back(*component.pattern);
  }
  return patterns;
}

/// A problem is one line, so that many can be read as a list.
std::string one_line(std::string text) {
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at)) {
    text.replace(at, 1, "; ");
  }
  return text;
}

[[noreturn]] void fail_to_match(const registry::ComponentInfo& info, const weights::WeightSet& set,
                                const weights::Match& match, const registry::Registry& registry) {
  const auto patterns = all_patterns(registry);
  const auto others = weights::recognise(set, patterns);
  const bool another = !others.empty() && others.front().exact();
  const std::vector<weights::Match> told =
      another ? std::vector{others.front()} : std::vector{match};
  throw Error(Status::Incompatible, fmt::format("expected the weights of {}; {}", info.id,
                                                one_line(weights::explain(set, told))));
}

bool is_flat(const json& value) {
  const auto scalar = [](const json& item) { return item.is_primitive() && !item.is_null(); };
  return scalar(value) || (value.is_array() && std::all_of(value.begin(), value.end(), scalar));
}

/// A matrix row by row; empty when `value` is no list of flat lists.
json rows_of(const json& value) {
  json all = json::array();
  if (!value.is_array()) return all;
  for (const json& row : value) {
    if (!row.is_array() || !is_flat(row)) return json::array();
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

void flatten(const json& value, const std::string& prefix, json& flat) {
  for (const auto& [key, item] : value.items()) {
    if (item.is_object()) flatten(item, prefix + key + ".", flat);
    if (is_flat(item)) {
      flat[prefix + key] = item;
    } else if (const json rows = rows_of(item); !rows.empty()) {
      flat[prefix + key] = rows;
    }
  }
}

/// Every layout behind the renames. Names of the file that tell a layout are not looked for: they
/// are those before the renames.
weights::ComponentPattern with_renames(weights::ComponentPattern pattern,
                                       std::span<const weights::RenameRule> renames,
                                       const weights::WeightSet& set) {
  std::vector<std::string> names = set.names();
  for (const weights::RenameRule& rule : renames) {
    bool used = false;
    for (std::string& name : names) {
      if (name.size() > base::kMaxExpressionBytes) continue;
      used = used || std::regex_search(name, rule.match);
      name = std::regex_replace(name, rule.match, rule.into);
    }
    if (used) continue;
    throw Error(
        Status::InvalidArgument,
        fmt::format("{}: state_dict: no tensor has a name like \"{}\"", set.describe(), rule.text));
  }
  for (weights::Layout& layout : pattern.layouts) {
    layout.prefixes = {""};
    layout.detect.clear();
    layout.rename.insert(layout.rename.begin(), renames.begin(), renames.end());
  }
  return pattern;
}

}  // namespace

json read_flat_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  if (!fs::is_regular_file(path)) return nullptr;
  std::ifstream file(path);
  const json config = base::parse_json(file);
  if (!config.is_object()) {
    throw Error(
        Status::BadData,
        fmt::format("{}: expected a JSON object, as the file beside the weights of a model; "
                    "is it damaged or only half copied?",
                    path.string()));
  }
  json flat = json::object();
  flatten(config, "", flat);
  return flat;
}

std::vector<fs::path> find_or_note(const models::ModelRef& model,
                                   std::vector<models::ModelRef>* missing) {
  try {
    return models::find_local(model);
  } catch (const Error& error) {
    const bool fetch = error.status() == Status::NotFound && models::may_fetch(model);
    if (missing && fetch) missing->push_back(model);
    throw;
  }
}

void open_weights(ComponentPlan& plan, std::span<const fs::path> paths,
                  std::span<const weights::RenameRule> renames,
                  const registry::Registry& registry) {
  const auto set = weights::WeightSet::open(paths);
  for (const weights::WeightFile& file : set.files()) plan.files.push_back(file.mapping->path());
  const weights::ComponentPattern pattern =
      renames.empty() ? *plan.info->pattern : with_renames(*plan.info->pattern, renames, set);
  const weights::Match match = weights::match(set, pattern);
  if (!match.exact()) fail_to_match(*plan.info, set, match, registry);
  plan.weights = std::make_shared<const weights::MappedWeights>(
      weights::MappedWeights::apply(set, pattern, match));
  plan.config = read_flat_config(plan.files.front().parent_path());
}

}  // namespace gesso::config
