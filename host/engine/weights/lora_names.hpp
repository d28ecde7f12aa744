// The dialects of names in LoRA files, as they are written: <prefix><module><part>.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/weights/component_pattern.hpp"

namespace gesso::weights {

struct LoraDialect {
  enum Alpha {
    Always,    // readers expect it, or take another number where it is missing
    IfNeeded,  // only where alpha / rank is not 1
    Folded,    // readers know none: the up part is multiplied
  };
  const char* name;
  const char* prefix;       // before the name of a denoiser's module
  const char* text_prefix;  // of a text encoder's; null: there is none
  const char* down;         // behind it, for A [rank, in]
  const char* up;           // for B [out, rank]
  bool flat;                // dots of the module's name are underscores
  const char* layout;       // of the component: the names of the modules. Without one: its own
  Alpha alpha;
};

/// The first one is the default.
std::span<const LoraDialect> lora_dialects();
/// @throws Error  NotFound with the names there are
const LoraDialect& find_lora_dialect(const std::string& name);
/// The dialect that all names of a file are of; null: none, or several.
const LoraDialect* lora_dialect_of(std::span<const std::string> names);

/// Names that the weights of a component may have, for as many blocks as the names speak of. Their
/// shapes mean nothing.
std::vector<NamedShape> possible_weights(const ComponentPattern& pattern,
                                         std::span<const std::string> names);

/// Whether updates of low rank can be for it: two extents, and a name that ends with ".weight".
bool is_lora_target(const NamedShape& weight);

/// Which rows of which module of a layout a canonical module is.
struct LaidOutModule {
  std::string name;
  int64_t part = 0, parts = 1;
};

/// Names as a dialect writes them.
class LoraNames {
 public:
  /// @param canonical  all weights of the component
  /// @param text       whether it is a text encoder
  /// @throws Error     NotSupported when the dialect has no names for this component
  LoraNames(const LoraDialect& dialect, const ComponentPattern& pattern,
            std::span<const NamedShape> canonical, bool text);

  const LoraDialect& dialect() const { return dialect_; }
  /// @param module  canonical: "layers.0.attention.to_q"
  LaidOutModule laid_out(const std::string& module) const;
  /// @param module  of the layout
  std::string down(const std::string& module) const { return stem(module) + dialect_.down; }
  std::string up(const std::string& module) const { return stem(module) + dialect_.up; }
  std::string alpha(const std::string& module) const { return stem(module) + ".alpha"; }

 private:
  std::string stem(const std::string& module) const;

  const LoraDialect& dialect_;
  std::string prefix_;
  std::map<std::string, LaidOutModule> modules_;  // those that the layout calls otherwise
};

}  // namespace gesso::weights
