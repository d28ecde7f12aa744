// Which weights of a component a module of a LoRA file stands for.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "gesso/kind/delta_source.h"

namespace gesso::adapter {

/// A weight, and which of `parts` equal blocks of the module's output rows are its own: a fused
/// projection "qkv" holds those of three weights.
struct Slice {
  uint32_t target;
  int64_t part = 0, parts = 1;
};

class Targets {
 public:
  /// `targets` is borrowed.
  explicit Targets(std::span<const gesso_target_t> targets);

  const gesso_target_t& operator[](uint32_t place) const { return targets_[place]; }

  /// Tries the name as it is, without the usual prefixes, with the names of ComfyUI, and with dots
  /// and underscores mixed up, as in files of kohya's scripts. Empty: there is no such weight.
  std::vector<Slice> find(const std::string& module) const;

 private:
  std::vector<Slice> find_flat(const std::string& flat) const;
  /// @return whether all names are targets; their slices are appended then
  bool find_all(std::span<const std::string> flat, std::vector<Slice>& slices) const;

  std::span<const gesso_target_t> targets_;
  std::map<std::string, uint32_t> by_flat_name_;
};

}  // namespace gesso::adapter
