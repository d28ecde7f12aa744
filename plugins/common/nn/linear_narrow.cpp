#include "nn/linear_narrow.hpp"

#include <ATen/ops/_int_mm.h>
#include <ATen/ops/amax.h>
#include <ATen/TensorOperators.h>

#include <utility>

#include "nn/cpu_features.hpp"
#include "nn/products.hpp"

namespace gesso::nn {
namespace {

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
  const at::Tensor x_MK = wide_rows(x, weight);
  const Int8Rows rows = to_int8(x_MK);
  at::Tensor y_MN = at::_int_mm(rows.codes_MK, weight.t()).to(at::kFloat);
  y_MN.mul_(rows.scale_M1).mul_(scale);
  return finished(std::move(y_MN), x, x_MK, bias, deltas);
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
