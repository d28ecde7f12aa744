#include "nn/linear_narrow.hpp"

#include <ATen/ops/_int_mm.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <utility>

#include "nn/cpu_features.hpp"
#include "nn/products.hpp"
#include "nn/rows.hpp"

namespace gesso::nn {
namespace {

constexpr int64_t kSumsAtATime = 4
                                 << 20;  // in int32: memory that is used again, not asked for anew

struct Int8Rows {
  at::Tensor codes_MK, scale_M1;
};

Int8Rows to_int8(const at::Tensor& x_MK) {
  constexpr float kLargest = 127;
  at::Tensor scale_M1 = at::amax(x_MK.abs(), {1}, true).div_(kLargest);
  scale_M1.masked_fill_(scale_M1.eq(0), 1);
  return {x_MK.div(scale_M1).round_().to(at::kChar), scale_M1};
}

}  // namespace

at::Tensor linear_fp8(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      std::span<const Delta> deltas) {
  constexpr double kLargest = 448, kEpsilon = 1e-8;
  const at::Tensor x_MK = x.reshape({-1, weight.size(1)});
  const at::Tensor scale_M1 =
      at::amax(x_MK.abs(), {1}, true).div(kLargest).clamp_min(1).to(at::kFloat);
  const at::Tensor codes_MK = x_MK.div(scale_M1.add(kEpsilon)).to(at::kFloat8_e4m3fn);
  at::Tensor y_MN = widened_product(codes_MK.to(at::kFloat), weight).mul_(scale_M1);
  return finished(std::move(y_MN), x, x_MK.to(at::kFloat), bias, deltas);
}

at::Tensor linear_int8_onednn(const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& scale, const at::Tensor& bias,
                              std::span<const Delta> deltas) {
  const int64_t K = weight.size(1), N = weight.size(0);
  const at::Tensor x_MK = x.reshape({-1, K}).contiguous();
  const int64_t M = x_MK.size(0);
  const at::Tensor codes_MK = at::empty({M, K}, x.options().dtype(at::kChar));
  const at::Tensor scale_M = at::empty({M}, x.options().dtype(at::kFloat));
  for_kernel_type(x, [&]<class T>(T) {
    for_rows(M, K, [&](int64_t begin, int64_t count) {
      kernels::int8_rows(data<T>(x_MK) + begin * K, count, K,
                         codes_MK.mutable_data_ptr<int8_t>() + begin * K,
                         scale_M.mutable_data_ptr<float>() + begin);
    });
  });
  // Updates are added in float32, before the only rounding.
  at::Tensor y_MN = at::empty({M, N}, deltas.empty() ? x.options() : scale_M.options());
  const at::Tensor wide_bias = bias.defined() ? bias.to(at::kFloat).contiguous() : bias;
  const int64_t at_a_time = std::min(N, std::max<int64_t>(1, kSumsAtATime / M));
  const at::Tensor scratch = at::empty({M * at_a_time}, x.options().dtype(at::kInt));
  for (int64_t first = 0; first < N; first += at_a_time) {
    const int64_t n = std::min(at_a_time, N - first);
    at::Tensor sums_Mn = scratch.narrow(0, 0, M * n).view({M, n});
    at::_int_mm_out(sums_Mn, codes_MK, weight.narrow(0, first, n).t());
    for_kernel_type(y_MN, [&]<class T>(T) {
      for_rows(M, n, [&](int64_t begin, int64_t count) {
        kernels::scale_sums(sums_Mn.const_data_ptr<int32_t>() + begin * n,
                            scale_M.const_data_ptr<float>() + begin, data<float>(scale) + first,
                            wide_bias.defined() ? data<float>(wide_bias) + first : nullptr, count,
                            n, N, data<T>(y_MN) + begin * N + first);
      });
    });
  }
  if (!deltas.empty()) return finished(std::move(y_MN), x, wide_rows(x, weight), {}, deltas);
  auto shape = x.sizes().vec();
  shape.back() = N;
  return y_MN.view(shape);
}

at::Tensor linear_int8_plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                             const at::Tensor& bias, std::span<const Delta> deltas) {
  const at::Tensor x_MK = wide_rows(x, weight);
  const Int8Rows rows = to_int8(x_MK);
  at::Tensor y_MN = widened_product(rows.codes_MK.to(at::kFloat), weight);
  y_MN.mul_(rows.scale_M1).mul_(scale);
  return finished(std::move(y_MN), x, x_MK, bias, deltas);
}

at::Tensor linear_int8(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                       const at::Tensor& bias, std::span<const Delta> deltas) {
  return has_int8_products() ? linear_int8_onednn(x, weight, scale, bias, deltas)
                             : linear_int8_plain(x, weight, scale, bias, deltas);
}

}  // namespace gesso::nn
