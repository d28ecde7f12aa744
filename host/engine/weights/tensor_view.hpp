// A tensor in somebody's memory, and the name and shape of one without its data.
#pragma once

#include "engine/weights/dtype.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gesso::weights {

using Shape = std::vector<int64_t>;

/// "[3840, 64]".
std::string shape_text(std::span<const int64_t> shape);

struct NamedShape {
  std::string name;
  Shape shape;
};

/// Row-major, contiguous, no alignment promised. `owner` keeps `bytes` alive: copy the view, and
/// the file stays mapped.
struct TensorView {
  DType dtype = DType::F32;
  Shape shape;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;

  int64_t elements() const { return element_count(shape).value_or(0); }
};

/// Part `index` of `parts` equal parts along the first extent, without a copy; block formats too.
/// @throws Error  InvalidArgument when the first extent is no multiple of `parts`
TensorView slice_rows(const TensorView& view, int64_t index, int64_t parts);

}  // namespace gesso::weights
