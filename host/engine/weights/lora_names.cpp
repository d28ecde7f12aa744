#include "engine/weights/lora_names.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/base/suggest.hpp"
#include "engine/weights/layout_writer.hpp"
#include "engine/weights/pattern_syntax.hpp"
#include "engine/weights/storage_rule.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::weights {
namespace {

constexpr int64_t kMostBlocks = 512;  // no model here has more; hostile files may claim so

constexpr const char* kA = ".lora_A.weight";
constexpr const char* kB = ".lora_B.weight";
constexpr const char* kDown = ".lora_down.weight";
constexpr const char* kUp = ".lora_up.weight";

constexpr LoraDialect kDialects[] = {
    {"diffsynth", "", "", ".lora_A.default.weight", ".lora_B.default.weight", false, "native",
     LoraDialect::IfNeeded},
    {"bare", "", "", kA, kB, false, "native", LoraDialect::IfNeeded},
    {"peft", "base_model.model.", "base_model.model.", kA, kB, false, "native",
     LoraDialect::Folded},
    {"diffusers", "transformer.", "text_encoder.", kA, kB, false, "native", LoraDialect::Folded},
    {"diffusion_model", "diffusion_model.", nullptr, kA, kB, false, "native",
     LoraDialect::IfNeeded},
    {"comfy", "diffusion_model.", nullptr, kDown, kUp, false, "comfy", LoraDialect::Always},
    {"kohya", "lora_unet_", "lora_te_", kDown, kUp, true, "native", LoraDialect::Always},
    {"lora_down", "", "", kDown, kUp, false, "native", LoraDialect::Always},
};

bool is_of(const std::string& name, const LoraDialect& dialect) {
  const auto begins = [&](const char* prefix) { return prefix && name.starts_with(prefix); };
  if (!begins(dialect.prefix) && !begins(dialect.text_prefix)) return false;
  if (!name.ends_with(dialect.down) && !name.ends_with(dialect.up) && !name.ends_with(".alpha")) {
    return false;
  }
  return !dialect.flat || std::ranges::count(name, '.') <= 2;  // those before the part
}

/// The highest number that stands in the names; at least 0.
int64_t highest_number(std::span<const std::string> names) {
  int64_t highest = 0;
  for (const std::string& name : names) {
    int64_t number = 0;
    for (const char c : name) {
      number = c >= '0' && c <= '9' ? std::min(10 * number + (c - '0'), kMostBlocks) : 0;
      highest = std::max(highest, number);
    }
  }
  return highest;
}

}  // namespace

std::span<const LoraDialect> lora_dialects() { return kDialects; }

const LoraDialect& find_lora_dialect(const std::string& name) {
  const auto found = std::ranges::find(
      kDialects, name, [](const LoraDialect& dialect) { return std::string(dialect.name); });
  if (found != std::end(kDialects)) return *found;
  std::vector<std::string> names;
  for (const LoraDialect& dialect : kDialects) names.emplace_back(dialect.name);
  throw Error(Status::NotFound,
              fmt::format("LoRA files have no dialect \"{}\"{}; there are {}", name,
                          base::did_you_mean(name, names), fmt::join(names, ", ")));
}

const LoraDialect* lora_dialect_of(std::span<const std::string> names) {
  const LoraDialect* best = nullptr;  // the one with the longest prefix: others may have none
  for (const LoraDialect& dialect : kDialects) {
    const bool all = !names.empty() && std::ranges::all_of(names, [&](const std::string& name) {
      return is_of(name, dialect);
    });
    if (!all) continue;
    if (!best || std::string_view(dialect.prefix).size() > std::string_view(best->prefix).size()) {
      best = &dialect;
    }
  }
  return best;
}

std::vector<NamedShape> possible_weights(const ComponentPattern& pattern,
                                         std::span<const std::string> names) {
  Dimensions dimensions;
  const int64_t count = std::min(highest_number(names) + 1, kMostBlocks);
  for (const TensorPattern& tensor : pattern.tensors) {
    for (const IndexTerm& index : tensor.indices) dimensions.counts[index.count] = count;
  }
  for (const TensorPattern& tensor : pattern.tensors) {
    for_each_index(tensor, dimensions.counts, [&](std::span<const int64_t> indices) {
      for (const SizeTerm& term : tensor.shape) {
        if (!term.symbol.empty()) dimensions.sizes[size_key(term, indices)] = 1;
      }
    });
  }
  return expand(pattern, dimensions, /*with_optional=*/true);
}

bool is_lora_target(const NamedShape& weight) {
  return weight.shape.size() == 2 && weight.name.ends_with(".weight");
}

LoraNames::LoraNames(const LoraDialect& dialect, const ComponentPattern& pattern,
                     std::span<const NamedShape> canonical, bool text)
    : dialect_(dialect) {
  if (text && !dialect.text_prefix) {
    throw Error(Status::NotSupported,
                fmt::format("the dialect \"{}\" has no names for {}", dialect.name, pattern.id));
  }
  prefix_ = text ? dialect.text_prefix : dialect.prefix;
  const auto layout =
      std::ranges::find(pattern.layouts, std::string(dialect.layout), &Layout::name);
  if (layout == pattern.layouts.end() || layout == pattern.layouts.begin()) return;
  for (const LaidOut& tensor : lay_out(canonical, *layout, "")) {
    if (!tensor.name.ends_with(".weight")) continue;
    for (size_t i = 0; i < tensor.parts.size(); ++i) {
      const std::string& own = canonical[tensor.parts[i]].name;
      modules_[std::string(module_of(own))] = {std::string(module_of(tensor.name)),
                                               static_cast<int64_t>(i),
                                               static_cast<int64_t>(tensor.parts.size())};
    }
  }
}

LaidOutModule LoraNames::laid_out(const std::string& module) const {
  const auto found = modules_.find(module);
  return found == modules_.end() ? LaidOutModule{module} : found->second;
}

std::string LoraNames::stem(const std::string& module) const {
  std::string name = module;
  if (dialect_.flat) std::ranges::replace(name, '.', '_');
  return prefix_ + name;
}

}  // namespace gesso::weights
