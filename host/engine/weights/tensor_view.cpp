#include "engine/weights/tensor_view.hpp"

#include "gesso/cpp/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gesso::weights {

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

TensorView slice_rows(const TensorView& view, int64_t index, int64_t parts) {
  if (view.shape.empty() || parts < 1 || index < 0 || index >= parts ||
      view.shape[0] % parts != 0 ||
      (view.shape.size() == 1 && (view.shape[0] / parts) % block_elements(view.dtype) != 0)) {
    throw Error(Status::InvalidArgument, fmt::format("a tensor of shape {} has no part {} of {}",
                                                     shape_text(view.shape), index, parts));
  }
  TensorView part = view;
  part.shape[0] /= parts;
  const size_t size = view.bytes.size() / static_cast<size_t>(parts);
  part.bytes = view.bytes.subspan(static_cast<size_t>(index) * size, size);
  return part;
}

}  // namespace gesso::weights
