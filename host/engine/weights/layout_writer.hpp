// Canonical names turned into those of a layout: the way back from spelling.hpp.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/weights/component_pattern.hpp"

namespace gesso::weights {

/// A tensor of a file: the rows of these canonical tensors, one after another.
struct LaidOut : NamedShape {
  std::vector<size_t> parts;  ///< places in the list that was given; mostly one
};

/// The rules of the layout from last to first: extents of 1 that it flattens come back as those of
/// a 1 x 1 convolution, parts become one again, indices turn around, names change back, the prefix
/// is put before. Dropped tensors have no canonical name, so that they are not written.
/// @param tensors  canonical names and shapes of one component
/// @return         in the order of their first parts
/// @throws Error   NotSupported when a rule has no way back, or when reading the result would give
///                 other names or shapes: the proof is made each time
std::vector<LaidOut> lay_out(std::span<const NamedShape> tensors, const Layout& layout,
                             const std::string& prefix);

/// The layout of that name. "diffusers" and "diffsynth" stand for "native" where there is none of
/// that name: the canonical names are theirs.
/// @throws Error  NotFound with the names there are
const Layout& find_layout(const ComponentPattern& pattern, const std::string& name);

}  // namespace gesso::weights
