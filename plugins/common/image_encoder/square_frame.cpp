#include "image_encoder/component.hpp"

namespace gesso::image_encoder {

void SquareFrame::put(const at::Tensor& values_3SS, int32_t item, Outputs& outputs) const {
  outputs.put(kPixelValues, item, torch::give(values_3SS.contiguous()));
}

std::vector<at::Tensor> SquareFrame::take(const Inputs& inputs) const {
  auto list = torch::list(inputs, kPixelValues);
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].sizes() == at::IntArrayRef({3, side, side})) continue;
    throw Error(Status::InvalidArgument, "pixel_values " + std::to_string(i) + ": expected [3, " +
                                             std::to_string(side) + ", " + std::to_string(side) +
                                             "], found " + shape_text(list[i].sizes()));
  }
  return list;
}

}  // namespace gesso::image_encoder
