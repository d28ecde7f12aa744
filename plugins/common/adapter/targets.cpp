#include "adapter/targets.hpp"

#include <algorithm>

#include "gesso/cpp/error.hpp"

namespace gesso::adapter {
namespace {

// Everything is compared with '_' for '.', as kohya's scripts write names: no two weights of a
// model differ in nothing else, which the constructor checks.

constexpr std::string_view kPrefixes[] = {
    "base_model_model_",
    "model_diffusion_model_",
    "diffusion_model_",
    "transformer_",
    "lora_unet_",
    "lora_transformer_",
    "lora_te_",
    "lora_te1_",
    "lycoris_",
    "unet_",
    "pipe_dit_",
    "text_encoder_",
    "model_",
};

/// Other names of the same weights: of ComfyUI's single file, and of older scripts.
struct Alias {
  std::string_view ending, meant;
};
constexpr Alias kAliases[] = {
    {"attention_out", "attention_to_out_0"},
    {"attention_to_out", "attention_to_out_0"},
    {"final_layer_linear", "all_final_layer_2-1_linear"},
    {"final_layer_adaLN_modulation_1", "all_final_layer_2-1_adaLN_modulation_1"},
    {"x_embedder", "all_x_embedder_2-1"},
};

constexpr std::string_view kFused = "attention_qkv";
constexpr std::string_view kUnfused[] = {"attention_to_q", "attention_to_k", "attention_to_v"};

std::string flat_name(std::string_view name) {
  std::string flat(name);
  std::replace(flat.begin(), flat.end(), '.', '_');
  return flat;
}

/// Whether `name` ends with `ending` as whole words.
bool ends_with_words(std::string_view name, std::string_view ending) {
  if (!name.ends_with(ending)) return false;
  return name.size() == ending.size() || name[name.size() - ending.size() - 1] == '_';
}

std::string with_ending(std::string_view name, std::string_view old, std::string_view ending) {
  return std::string(name.substr(0, name.size() - old.size())) + std::string(ending);
}

}  // namespace

Targets::Targets(std::span<const gesso_target_t> targets) : targets_(targets) {
  for (uint32_t i = 0; i < targets.size(); ++i) {
    const auto [at, is_new] = by_flat_name_.emplace(flat_name(targets[i].name), i);
    if (!is_new) {
      throw Error(Status::Incompatible, std::string("the weights \"") + targets[at->second].name +
                                            "\" and \"" + targets[i].name +
                                            "\" differ only in dots and underscores");
    }
  }
}

std::vector<Slice> Targets::find(const std::string& module) const {
  std::string name = flat_name(module);
  for (bool stripped = true; stripped;) {
    std::vector<Slice> slices = find_flat(name);
    if (!slices.empty()) return slices;
    stripped = false;
    for (const std::string_view prefix : kPrefixes) {
      if (!name.starts_with(prefix)) continue;
      name.erase(0, prefix.size());
      stripped = true;
      break;
    }
  }
  return {};
}

bool Targets::find_all(std::span<const std::string> flat, std::vector<Slice>& slices) const {
  std::vector<Slice> found;
  for (const std::string& name : flat) {
    const auto target = by_flat_name_.find(name);
    if (target == by_flat_name_.end()) return false;
    found.push_back(
        {target->second, static_cast<int64_t>(found.size()), static_cast<int64_t>(flat.size())});
  }
  slices = std::move(found);
  return true;
}

std::vector<Slice> Targets::find_flat(const std::string& flat) const {
  std::vector<Slice> slices;
  if (find_all(std::span(&flat, 1), slices)) return slices;
  for (const Alias& alias : kAliases) {
    if (!ends_with_words(flat, alias.ending)) continue;
    const std::string meant = with_ending(flat, alias.ending, alias.meant);
    if (find_all(std::span(&meant, 1), slices)) return slices;
  }
  if (ends_with_words(flat, kFused)) {
    std::vector<std::string> names;
    for (const std::string_view one : kUnfused) names.push_back(with_ending(flat, kFused, one));
    find_all(names, slices);
  }
  return slices;
}

}  // namespace gesso::adapter
