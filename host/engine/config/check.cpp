#include "engine/config/check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/base/suggest.hpp"
#include "engine/config/adapters.hpp"
#include "engine/config/merge.hpp"
#include "engine/config/output_path.hpp"
#include "engine/config/pictures.hpp"
#include "engine/registry/isolating.hpp"
#include "isolation/proxy.hpp"

namespace gesso::config {
namespace {

using nlohmann::json;
using registry::Param;

/// Null, and a problem, when the variant is not given or unknown.
const registry::VariantInfo* find_variant(const Node& document, const registry::Registry& registry,
                                          Problems& problems) {
  const Node* node = document.find("variant");
  if (!node) {
    std::vector<std::string> names;
    for (const auto& variant : registry.variants())
      names.push_back(fmt::format("\"{}\"", variant.name));
    problems.error(document.place,
                   fmt::format("variant: not given; expected one of {}", fmt::join(names, ", ")));
    return nullptr;
  }
  if (node->type != NodeType::Text) return nullptr;  // reading the table reports it
  try {
    return &registry.variant(node->scalar.get<std::string>());
  } catch (const Error& error) {
    problems.error(node->place, std::string("variant: ") + error.what(), error.status());
    return nullptr;
  }
}

/// A variant's own defaults are data, too, and may be wrong. Where the file chose other components
/// than the variant's, defaults that these do not know say nothing.
void check_defaults(const registry::VariantInfo& variant, const FilledRoles& filled,
                    const std::vector<Param>& params, const Place& place, Problems& problems) {
  const bool own = std::ranges::all_of(
      filled.roles, [](const FilledRole& role) { return role.info->id == role.role->component; });
  for (const auto& [key, value] : variant.defaults.items()) {
    const Param* param = find_param(params, key);
    if (!param && !own) continue;
    const std::string problem = param ? check_value(*param, value).problem : "no such parameter";
    if (problem.empty()) continue;
    problems.error(place,
                   fmt::format("{}: defaults.{}: {}; is the plugin damaged?", variant.file.string(),
                               key, problem),
                   Status::BadData);
  }
}

/// Every picture that a table names must be there.
void check_pictures(const Node& table, const std::string& label, const json& values,
                    const std::vector<Param>& params, Problems& problems) {
  for (const Param& param : params) {
    if (!values.contains(param.key)) continue;
    const Node& node = *table.find(param.key);
    const std::string name = dotted(label, param.key);
    if (param.type == kTablesValue) {
      for (size_t i = 0; i < values[param.key].size(); ++i) {
        const Node& item = node.type == NodeType::List ? node.children[i] : node;
        check_pictures(item, name, values[param.key][i], item_params(param.key), problems);
      }
    }
    if (param.unit != kPathUnit) continue;
    const json& paths = values[param.key];
    for (const std::string path : paths.is_array() ? paths : json::array({paths})) {
      if (std::filesystem::is_regular_file(path)) continue;
      problems.error(node.place, fmt::format("{}: there is no file \"{}\"", name, path),
                     Status::NotFound);
    }
  }
}

void warn_of_idle_values(const Node& generate, const json& values, const std::vector<Param>& params,
                         Problems& problems) {
  const json cfg_scale = values.value("cfg_scale", find_param(params, "cfg_scale")->preset);
  if (values.contains("negative_prompt") && cfg_scale == 1.0) {
    problems.warning(generate.find("negative_prompt")->place,
                     "generate.negative_prompt: not read while cfg_scale is 1");
  }
  const Node* strength = generate.find("denoising_strength");
  if (strength && values.value("denoising_strength", 1.0) != 1.0 && !generate.find("input_image")) {
    problems.warning(
        strength->place,
        "generate.denoising_strength: meant for input_image; without one keep it at 1");
  }
}

/// Without a `vocabulary` unknown keys are passed over.
json check_generate(const Node* generate, const std::vector<Param>& params,
                    const Vocabulary* vocabulary, Problems& problems) {
  if (!generate) return json::object();
  const json values = read_table(*generate, "generate", params, vocabulary, problems);
  check_pictures(*generate, "generate", values, params, problems);
  warn_of_idle_values(*generate, values, params, problems);
  try {
    count_pictures(values);
  } catch (const Error& error) {
    problems.error(generate->place, std::string("generate: ") + error.what());
  }
  return values;
}

json check_memory(const Node* memory, const Vocabulary& vocabulary, Problems& problems) {
  return memory ? read_table(*memory, "memory", memory_params(), &vocabulary, problems)
                : json::object();
}

/// The ids of [plugins] isolate, each of a component or plugin that is there.
std::vector<std::string> check_isolate(const Node* plugins, const registry::Registry& registry,
                                       const Vocabulary& vocabulary, Problems& problems) {
  if (!plugins) return {};
  const json values = read_table(*plugins, "plugins", plugins_params(), &vocabulary, problems);
  const auto ids = values.value("isolate", std::vector<std::string>());
  std::vector<std::string> known;
  for (const auto& component : registry.components()) known.push_back(component.id);
  for (const auto& plugin : registry.plugins()) known.push_back(plugin.id);
  for (const std::string& id : ids) {
    if (std::ranges::find(known, id) != known.end()) continue;
    problems.error(plugins->find("isolate")->place,
                   fmt::format("plugins.isolate: there is no component or plugin \"{}\"{}", id,
                               base::did_you_mean(id, known)),
                   Status::NotFound);
  }
  return ids;
}

/// Whether what is isolated can be.
void check_isolated(const PipelinePlan& plan, const Node* plugins, Problems& problems) {
  for (const ComponentPlan& component : plan.components) {
    if (!registry::names(plan.isolate, *component.info)) continue;
    const std::string why = isolation::obstacle(component.info->kind);
    if (!why.empty())
      problems.error(plugins->find("isolate")->place,
                     fmt::format("plugins.isolate: {}: {}", component.info->id, why),
                     Status::NotSupported);
  }
}

json check_output(const Node* output, const Vocabulary& vocabulary, Problems& problems) {
  if (!output) return json::object();
  const json values = read_table(*output, "output", output_params(), &vocabulary, problems);
  for (const char* key : {"path", "sheet"}) {
    if (!values.contains(key)) continue;
    const std::string problem = check_output_path(values[key].get<std::string>());
    if (problem.empty()) continue;
    problems.error(output->find(key)->place, fmt::format("output.{}: {}", key, problem));
  }
  return values;
}

/// The parameters of [generate]; without a variant only the ones that all have.
std::vector<Param> known_generate_params(const registry::VariantInfo* variant,
                                         const FilledRoles& filled) {
  if (!variant) return generate_params();
  std::vector<const registry::ComponentInfo*> components;
  for (const FilledRole& role : filled.roles) components.push_back(role.info);
  return generate_params(components, *variant);
}

/// Every key that this document may have.
Vocabulary make_vocabulary(const std::vector<Param>& generate, const FilledRoles& filled) {
  Vocabulary vocabulary;
  for (const std::string_view key : top_level_keys()) vocabulary.add("", std::string(key));
  vocabulary.add("generate", generate);
  for (const FilledRole& role : filled.roles)
    vocabulary.add(role.label(), table_params(*role.info));
  if (filled.roles.empty()) vocabulary.add("components.<role>", component_params());
  vocabulary.add("output", output_params());
  vocabulary.add("adapters", adapter_params());
  vocabulary.add("memory", memory_params());
  vocabulary.add("plugins", plugins_params());
  return vocabulary;
}

/// The values of the top level that are no tables.
json read_top_level(const Node& document, const Vocabulary& vocabulary, Problems& problems) {
  Node flat = document;
  std::erase_if(flat.children, [](const Node& child) {
    return child.key == "components" || child.key == "adapters" || child.key == "generate" ||
           child.key == "output" || child.key == "memory" || child.key == "plugins" ||
           child.key == "train";
  });
  return read_table(flat, "", file_params(), &vocabulary, problems);
}

}  // namespace

PipelinePlan check_document(const Node& document, std::shared_ptr<registry::Registry> registry,
                            const std::string& name, Problems& problems,
                            const CheckOptions& options) {
  PipelinePlan plan;
  plan.name = name;
  plan.registry = registry;
  plan.variant = find_variant(document, *registry, problems);
  FilledRoles filled{{}, false};
  if (plan.variant) filled = fill_roles(document, *registry, *plan.variant, problems);
  for (FilledRole& role : filled.roles) {
    role.may_lack_files = options.may_lack_files && options.may_lack_files(*role.role);
  }

  if (const Node* train = document.find("train")) {
    problems.error(
        train->key_place,
        "train: this file is a recipe, which `gesso train` reads; a pipeline file has no "
        "such table");
  }
  const std::vector<Param> params = known_generate_params(plan.variant, filled);
  Vocabulary vocabulary = make_vocabulary(params, filled);
  for (const auto& [table, keys] : options.tables) vocabulary.add(table, keys);
  const json top = read_top_level(document, vocabulary, problems);
  plan.numerics = top.value("numerics", find_param(file_params(), "numerics")->preset);
  FileSettings file{top.value("dtype", find_param(file_params(), "dtype")->preset),
                    top.value("local_model_path", ""),
                    top.value("download_source", ""),
                    {},
                    options.missing};
  if (top.contains("skip_download")) file.skip_download = top["skip_download"].get<bool>();

  plan.local_model_path = file.local_model_path;
  if (plan.variant) {
    const Place& place = document.find("variant")->place;
    report_missing_paths(filled.roles, place, *plan.variant, problems);
    plan.components = plan_components(filled.roles, *registry, file, vocabulary, problems);
    check_sizes(filled.roles, plan.components, problems);
    plan.memory = check_memory(document.find("memory"), vocabulary, problems);
    hand_to_policy(document, plan, problems);
    if (filled.complete)
      plan.adapters = plan_adapters(document.find("adapters"), file, plan, problems);
    if (filled.complete) check_defaults(*plan.variant, filled, params, place, problems);
  }
  plan.generate = check_generate(document.find("generate"), params,
                                 filled.complete ? &vocabulary : nullptr, problems);
  plan.isolate = check_isolate(document.find("plugins"), *registry, vocabulary, problems);
  check_isolated(plan, document.find("plugins"), problems);
  plan.output = check_output(document.find("output"), vocabulary, problems);
  return plan;
}

}  // namespace gesso::config
