// Solves a component's pattern against a list of canonical names and shapes.
#pragma once

#include "engine/weights/recognise.hpp"

#include <span>

namespace gesso::weights {

/// Finds counts (the largest index seen), then sizes (the value that most tensors agree on), and
/// tells what does not fit. `layout` and `prefix` of the result are empty.
Match solve(std::span<const NamedShape* const> tensors, const ComponentPattern& pattern);

}  // namespace gesso::weights
