// Which component is in these files?
#pragma once

#include "engine/weights/component_pattern.hpp"
#include "engine/weights/weight_set.hpp"

#include <span>
#include <string>
#include <vector>

namespace gesso::weights {

struct WrongShape {
  std::string name;  ///< canonical
  Shape found;
  Shape expected;  ///< -1: any extent
};

/// How well one component's pattern fits, in the layout that fits best.
struct Match {
  std::string component;
  std::string layout;  ///< "native" or the name of a layout
  std::string prefix;  ///< that was stripped
  Dimensions dimensions;
  size_t expected = 0;  ///< tensors that a component of these dimensions must have
  size_t present = 0;   ///< of these, in the files and rightly shaped
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<WrongShape> wrong_shapes;
  double score = 0;  ///< 1 for an exact match, 0 for nothing in common

  bool exact() const {
    return present > 0 && missing.empty() && unexpected.empty() && wrong_shapes.empty();
  }
};

/// The best layout of one pattern.
Match match(const WeightSet& set, const ComponentPattern& pattern);

/// All patterns with anything in common with the files, best first.
std::vector<Match> recognise(const WeightSet& set, std::span<const ComponentPattern> patterns);

/// For people, one or more lines: "... is org.gesso.z_image.denoiser (layout comfy, 453 tensors)",
/// or what the files look like most and what is missing, or which foreign family they belong to.
std::string explain(const WeightSet& set, std::span<const Match> matches);

/// Name of a well-known family that Gesso has no component for ("a LoRA in PEFT naming"), or "".
std::string foreign_family(const WeightSet& set);

}  // namespace gesso::weights
