// From tensors to kernels: element type, pointers, and rows shared between threads. Private to nn.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <string>

#include "gesso/cpp/error.hpp"
#include "nn/kernels.hpp"

namespace gesso::nn {

/// Calls `body(T{})` with the kernels' type for the elements of `x`.
template <class Body>
void for_kernel_type(const at::Tensor& x, const Body& body) {
  if (x.scalar_type() == at::kFloat) return body(float{});
  if (x.scalar_type() == at::kBFloat16) return body(kernels::BFloat16{});
  throw Error(Status::NotSupported, std::string("expected float32 or bfloat16 numbers, found ") +
                                        at::toString(x.scalar_type()));
}

/// Null for an undefined tensor. The type was decided by another tensor: it must be the same here.
template <class T>
T* data(const at::Tensor& x) {
  if (!x.defined()) return nullptr;
  constexpr auto wanted = sizeof(T) == sizeof(float) ? at::kFloat : at::kBFloat16;
  if (x.scalar_type() != wanted || !x.is_contiguous()) {
    throw Error(Status::Incompatible, std::string("expected contiguous numbers of type ") +
                                          at::toString(wanted) + ", found " +
                                          at::toString(x.scalar_type()) +
                                          "; do all weights of the unit have one type?");
  }
  return static_cast<T*>(x.data_ptr());
}

/// Calls `body(begin, count)` for ranges of rows, on several threads when there is enough to do.
template <class Body>
void for_rows(int64_t rows, int64_t row_length, const Body& body) {
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, row_length));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) { body(begin, end - begin); });
}

}  // namespace gesso::nn
