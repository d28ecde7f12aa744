// The tensors of a LoRA file, put together by module, and what every reader of such files does with
// them.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "adapter/keys.hpp"
#include "adapter/targets.hpp"
#include "gesso/cpp/delta.hpp"
#include "gesso/cpp/tensor.hpp"

namespace gesso::adapter {

/// What the file says of one module.
struct Module {
  std::string name;
  std::map<std::string, const gesso_named_tensor_t*> parts;  // by part
  std::vector<Slice> slices;                                 // not empty

  const DLTensor* find(const std::string& part) const;
  /// @throws Error  BadData naming the module and the missing part
  const DLTensor& at(const std::string& part) const;
  /// alpha / rank, or 1 without alpha. @throws Error BadData for an alpha that is no finite number
  double alpha_over(int64_t rank) const;
  /// The name of the part in the file, for messages.
  std::string key(const std::string& part) const;
};

struct Modules {
  std::vector<Module> list;            // in the order of the file
  std::vector<std::string> unmatched;  // names that are no part of an update, or of no weight
};

/// @throws Error  BadData when one part is there twice
Modules group(std::span<const gesso_named_tensor_t> tensors, const Targets& targets);

/// Extents of a matrix; a 1 x 1 convolution counts as one. @throws Error BadData for others
struct Extents {
  int64_t rows, columns;
};
Extents matrix_extents(const DLTensor& tensor, const std::string& key);

/// The down and up parts of a module, checked.
struct Pair {
  Extents down, up;
  int64_t rank() const { return down.rows; }
};
/// @throws Error  BadData unless both are there and fit each other and the weights, naming key,
///                found and expected
Pair read_pair(const Module& module, const Targets& targets);

/// Gives the unmatched names as entries without target. @throws nothing
void add_unmatched(const Modules& modules, DeltaSet& set);

}  // namespace gesso::adapter
