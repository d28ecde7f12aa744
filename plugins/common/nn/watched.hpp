// Private to nn.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <initializer_list>

namespace gesso::nn {

/// True when autograd would have to see what is done with one of them.
inline bool watched(std::initializer_list<at::Tensor> tensors) {
  return std::ranges::any_of(tensors,
                             [](const at::Tensor& t) { return t.defined() && t.requires_grad(); });
}

}  // namespace gesso::nn
