#include "engine/api/inspection.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "engine/base/json_text.hpp"
#include "engine/registry/adapter_keys.hpp"
#include "engine/weights/inspect.hpp"
#include "engine/weights/lora_names.hpp"
#include "engine/weights/storage_rule.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::api {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// --- LoRAs -------------------------------------------------------------------------------------

/// "attention.to_q" of "layers.3.attention.to_q": what a module is called in its block.
std::string name_in_block(const std::string& module) {
  for (size_t at = module.find('.'); at != std::string::npos; at = module.find('.', at + 1)) {
    const size_t end = module.find('.', at + 1);
    if (end == std::string::npos) break;
    const std::string_view part = std::string_view(module).substr(at + 1, end - at - 1);
    if (part.find_first_not_of("0123456789") == std::string_view::npos) {
      return module.substr(end + 1);
    }
  }
  return module;
}

struct LoraTarget {
  std::string component;
  std::map<std::string, size_t> modules;  // by their names in blocks
  size_t count = 0;
};

/// The component whose weights most modules of the file are for.
LoraTarget target_of(const weights::WeightSet& set, const std::vector<std::string>& names,
                     const weights::LoraDialect& dialect, const registry::Registry& registry) {
  LoraTarget best;
  for (const registry::ComponentInfo& component : registry.components()) {
    const bool text = component.kind == "text_encoder";
    if (!component.pattern || (component.kind != "denoiser" && !text)) continue;
    if (text && !dialect.text_prefix) continue;
    const auto canonical = weights::possible_weights(*component.pattern, names);
    const weights::LoraNames spelled(dialect, *component.pattern, canonical, text);
    LoraTarget one{component.id, {}, 0};
    for (const weights::NamedShape& weight : canonical) {
      const std::string module(weights::module_of(weight.name));
      const std::string laid_out = spelled.laid_out(module).name;
      const bool there = set.find(spelled.down(module)) || set.find(spelled.down(laid_out));
      if (!weights::is_lora_target(weight) || !there) continue;
      ++one.modules[name_in_block(module)];
      ++one.count;
    }
    if (one.count > best.count) best = std::move(one);
  }
  return best;
}

/// What an adapter's file holds and who reads it; null for other files.
json adapter_json(const weights::WeightSet& set, const registry::Registry& registry) {
  const std::vector<std::string> names = set.names();
  const registry::ComponentInfo* source = registry::adapter_for(names, registry);
  if (!source) return nullptr;
  std::set<int64_t> ranks;
  size_t pairs = 0;
  for (const weights::TensorInfo& tensor : set.tensors()) {
    const bool down = tensor.name.find("lora_A") != std::string::npos ||
                      tensor.name.find("down") != std::string::npos;
    if (!down || tensor.shape.size() < 2) continue;
    ++pairs;
    ranks.insert(tensor.shape[0]);
  }
  const weights::LoraDialect* dialect = weights::lora_dialect_of(names);
  const LoraTarget target = dialect ? target_of(set, names, *dialect, registry) : LoraTarget{};
  return {{"component", source->id},
          {"dialect", dialect ? dialect->name : ""},
          {"target", target.component},
          {"modules", target.modules},
          {"pairs", pairs},
          {"ranks", ranks}};
}

std::string summary_of_adapter(const json& answer, const weights::WeightSet& set) {
  const std::string family = answer["family"];
  const json& adapter = answer["adapter"];
  std::string text =
      fmt::format("{}: is {}, read by {}", set.describe(), family.empty() ? "an adapter" : family,
                  adapter["component"].get<std::string>());
  if (adapter["ranks"].empty()) return text;  // other forms have no pairs
  text += fmt::format(" ({} pairs, rank {}", adapter["pairs"].dump(), adapter["ranks"].dump());
  if (adapter["dialect"] != "") text += ", dialect " + adapter["dialect"].get<std::string>();
  text += ")";
  if (adapter["target"] != "") text += ", for " + adapter["target"].get<std::string>();
  return text;
}

// --- Components --------------------------------------------------------------------------------

/// Names of the variants one of whose own components these weights are, exactly.
std::set<std::string> variants_of(const json& matches, const registry::Registry& registry) {
  std::set<std::string> names;
  for (const json& match : matches) {
    if (!match["exact"]) continue;
    for (const registry::VariantInfo& variant : registry.variants()) {
      const bool own = std::ranges::any_of(variant.roles, [&](const registry::Role& role) {
        return role.component == match["component"].get<std::string>();
      });
      if (own) names.insert(variant.name);
    }
  }
  return names;
}

json inspect_weights(const fs::path& path, std::span<const weights::ComponentPattern> patterns,
                     const registry::Registry& registry) {
  const auto set = weights::WeightSet::open(path);
  json answer = weights::inspect_json(set, patterns);
  answer["variants"] = variants_of(answer["matches"], registry);
  answer["adapter"] = adapter_json(set, registry);
  if (!answer["adapter"].is_null()) answer["summary"] = summary_of_adapter(answer, set);
  return answer;
}

// --- Folders -----------------------------------------------------------------------------------

bool has_weights(const fs::path& folder) {
  std::error_code none;
  return std::ranges::any_of(fs::directory_iterator(folder, none), [](const auto& entry) {
    const fs::path ending = entry.path().extension();
    return ending == ".safetensors" || ending == ".gguf";
  });
}

/// Subfolders by name.
std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && !entry.path().filename().string().starts_with('.')) {
      folders.push_back(entry.path());
    }
  }
  std::ranges::sort(folders);
  return folders;
}

/// What a folder without weights is for, by its files; "" when that cannot be told.
std::string purpose_of(const fs::path& folder) {
  for (const char* name : {"tokenizer.json", "vocab.json", "tokenizer.model"}) {
    if (fs::exists(folder / name)) return fmt::format("a tokenizer ({})", name);
  }
  if (fs::exists(folder / "scheduler_config.json")) return "settings of a scheduler";
  if (fs::exists(folder / "preprocessor_config.json")) return "settings of an image processor";
  return "";
}

json read_json(const fs::path& path) {
  std::ifstream file(path);
  return file ? base::parse_json(file) : json();
}

/// Whether the folder is no component itself, but holds those of a model.
bool is_model_folder(const fs::path& path) {
  std::error_code none;
  if (!fs::is_directory(path, none) || has_weights(path)) return false;
  return fs::exists(path / "model_index.json", none) ||
         std::ranges::any_of(folders_in(path), has_weights);
}

json inspect_model(const fs::path& path, std::span<const weights::ComponentPattern> patterns,
                   const registry::Registry& registry) {
  json parts = json::object(), total;
  std::set<std::string> variants;
  for (const registry::VariantInfo& variant : registry.variants()) variants.insert(variant.name);
  bool any = false;
  uint64_t tensors = 0, parameters = 0, elements = 0, size_bytes = 0;
  for (const fs::path& folder : folders_in(path)) {
    const std::string name = folder.filename();
    if (!has_weights(folder)) {
      if (const std::string purpose = purpose_of(folder); !purpose.empty()) {
        parts[name] = {{"summary", name + "/: " + purpose}};
      }
      continue;
    }
    json part = inspect_weights(folder, patterns, registry);
    tensors += part["total"]["tensors"].get<uint64_t>();
    parameters += part["total"]["parameters"].get<uint64_t>();
    elements += part["total"]["elements"].get<uint64_t>();
    size_bytes += part["total"]["size_bytes"].get<uint64_t>();
    any = true;
    std::erase_if(variants, [&](const std::string& variant) {
      return std::ranges::find(part["variants"], json(variant)) == part["variants"].end();
    });
    parts[name] = std::move(part);
  }
  if (!any) variants.clear();
  const std::string named =
      variants.empty() ? "no known variant" : fmt::format("{}", fmt::join(variants, " or "));
  return {{"parts", parts},
          {"variants", variants},
          {"model_index", read_json(path / "model_index.json")},
          {"total",
           {{"tensors", tensors},
            {"parameters", parameters},
            {"elements", elements},
            {"size_bytes", size_bytes}}},
          {"summary", fmt::format("{}/: a model of {} parts: {}",
                                  fs::absolute(path).lexically_normal().filename().string(),
                                  parts.size(), named)}};
}

}  // namespace

std::vector<weights::ComponentPattern> patterns_of(const registry::Registry& registry) {
  std::vector<weights::ComponentPattern> patterns;
  for (const registry::ComponentInfo& component : registry.components()) {
    if (component.pattern) patterns.push_back(*component.pattern);
  }
  return patterns;
}

json inspect(const fs::path& path, const registry::Registry& registry) {
  const auto patterns = patterns_of(registry);
  return is_model_folder(path) ? inspect_model(path, patterns, registry)
                               : inspect_weights(path, patterns, registry);
}

}  // namespace gesso::api
