#include "nn/norm.hpp"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>

#include "nn/rows.hpp"

namespace gesso::nn {

at::Tensor rms_norm_plain(const at::Tensor& x, const at::Tensor& weight, double eps,
                          const at::Tensor& scale) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor r = at::rsqrt(at::mean(wide.square(), {-1}, true).add(eps));
  const at::Tensor y = wide.mul(r).to(x.scalar_type()).mul(weight);
  return scale.defined() ? y.mul(scale) : y;
}

void add_gated_rms_norm_plain_(at::Tensor& x, const at::Tensor& y, const at::Tensor& weight,
                               double eps, const at::Tensor& gate) {
  x.add_(rms_norm_plain(y, weight, eps, gate));
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                    const at::Tensor& scale) {
  const at::Tensor in = x.contiguous();
  at::Tensor out = at::empty_like(in);
  const int64_t D = in.size(-1);
  for_kernel_type(in, [&]<class T>(T) {
    const T *w = data<T>(weight), *s = data<T>(scale);
    for_rows(in.numel() / D, D, [&](int64_t begin, int64_t count) {
      kernels::rms_norm(data<T>(in) + begin * D, w, s, static_cast<float>(eps), count, D,
                        data<T>(out) + begin * D);
    });
  });
  return out;
}

void add_gated_rms_norm_(at::Tensor& x, const at::Tensor& y, const at::Tensor& weight, double eps,
                         const at::Tensor& gate) {
  const int64_t D = x.size(-1);
  for_kernel_type(x, [&]<class T>(T) {
    const T *w = data<T>(weight), *g = data<T>(gate);
    for_rows(x.numel() / D, D, [&](int64_t begin, int64_t count) {
      kernels::add_gated_rms_norm(data<T>(x) + begin * D, data<T>(y) + begin * D, w, g,
                                  static_cast<float>(eps), count, D);
    });
  });
}

}  // namespace gesso::nn
