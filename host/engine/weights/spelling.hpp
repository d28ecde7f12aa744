// The tensors of a file under the names that a layout gives them.
#pragma once

#include "engine/weights/component_pattern.hpp"
#include "engine/weights/weight_set.hpp"

#include <span>
#include <string>
#include <vector>

namespace gesso::weights {

/// A weight of a checkpoint, or one of the equal parts of it, under its canonical name.
struct SpelledTensor : NamedShape {
  const NamedWeight* source = nullptr;
  int64_t part = 0;
  int64_t parts = 1;
};

/// True when all tensors that the layout is detected by are there.
bool detected(const WeightSet& set, const Layout& layout, const std::string& prefix);

/// Applies a layout; tensors without the prefix and dropped ones are left out.
std::vector<SpelledTensor> spell(const WeightSet& set, const Layout& layout,
                                 const std::string& prefix);
std::vector<SpelledTensor> spell(std::span<const NamedWeight> weights, const Layout& layout,
                                 const std::string& prefix);

/// Turns the index that `expression` finds around: the last becomes 0.
void reverse_index(std::span<NamedShape* const> tensors, const std::regex& expression);

/// @throws Error  BadData naming file and tensor when it cannot be decoded
StoredWeight stored_of(const WeightSet& set, const SpelledTensor& tensor);

}  // namespace gesso::weights
