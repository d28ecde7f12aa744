#include "nn/activation.hpp"

#include <ATen/ops/silu.h>

#include "nn/rows.hpp"

namespace gesso::nn {

at::Tensor silu_multiply_plain(const at::Tensor& a, const at::Tensor& b) {
  return at::silu(a).mul(b);
}

void silu_multiply_(at::Tensor& a, const at::Tensor& b) {
  for_kernel_type(a, [&]<class T>(T) {
    for_rows(a.numel(), 1, [&](int64_t begin, int64_t count) {
      kernels::silu_multiply(data<T>(a) + begin, data<T>(b) + begin, count);
    });
  });
}

}  // namespace gesso::nn
