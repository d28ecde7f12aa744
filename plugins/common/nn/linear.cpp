#include "nn/linear.hpp"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <optional>

#include "nn/cpu_features.hpp"
#include "nn/linear_narrow.hpp"
#include "nn/products.hpp"

namespace gesso::nn {
namespace {

/// How many rows of a weight are widened at a time. For a short x these are so few that they are
/// still in the cache when they are used (measured: 1.4 times faster); for a long one, all: each
/// product prepares x anew, and one product is 1.2 times faster than several.
int64_t rows_at_a_time(int64_t x_rows, int64_t n_in, int64_t n_out) {
  constexpr int64_t kLong = 512, kCached = 512 << 10;
  return x_rows >= kLong ? n_out : std::clamp<int64_t>(kCached / n_in, 1, n_out);
}

std::vector<Delta> for_item(const Weight& weight, int64_t item) {
  std::vector<Delta> list;
  for (const Delta& delta : weight.deltas) {
    if (delta.items >> item & 1) list.push_back(delta);
  }
  return list;
}

/// y += scale * (x A^T) B^T, added up within the product: y is read and written once.
void add_update_(at::Tensor& y_MN, const at::Tensor& x_MK, const Delta& delta) {
  const at::Tensor down_MR = at::mm(x_MK, delta.a.to(x_MK.scalar_type()).t());
  y_MN.addmm_(down_MR, delta.b.to(x_MK.scalar_type()).t(), 1, delta.scale);
}

}  // namespace

at::Tensor wide_rows(const at::Tensor& x, const at::Tensor& weight) {
  return x.reshape({-1, weight.size(1)}).to(at::kFloat);
}

at::Tensor widened_product(const at::Tensor& x_MK, const at::Tensor& weight) {
  const int64_t n_in = weight.size(1), n_out = weight.size(0);
  const int64_t rows = rows_at_a_time(x_MK.size(0), n_in, n_out);
  const at::Tensor scratch = at::empty({rows, n_in}, x_MK.options());
  at::Tensor y_MN = at::empty({x_MK.size(0), n_out}, x_MK.options());
  for (int64_t begin = 0; begin < n_out; begin += rows) {
    const int64_t count = std::min(rows, n_out - begin);
    at::Tensor part = scratch.narrow(0, 0, count);
    part.copy_(weight.narrow(0, begin, count));
    at::Tensor out = y_MN.narrow(1, begin, count);
    at::mm_out(out, x_MK, part.t());
  }
  return y_MN;
}

at::Tensor finished(at::Tensor y_MN, const at::Tensor& x, const at::Tensor& x_MK,
                    const at::Tensor& bias, std::span<const Delta> deltas) {
  if (bias.defined()) y_MN.add_(bias);
  for (const Delta& delta : deltas) add_update_(y_MN, x_MK, delta);
  auto shape = x.sizes().vec();
  shape.back() = y_MN.size(1);
  return y_MN.to(x.scalar_type()).reshape(shape);
}

at::Tensor linear_widened(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          std::span<const Delta> deltas) {
  const at::Tensor x_MK = wide_rows(x, weight);
  return finished(widened_product(x_MK, weight), x, x_MK, bias, deltas);
}

at::Tensor linear_plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto wide_bias = bias.defined() ? std::optional(bias.to(at::kFloat)) : std::nullopt;
  return at::linear(x.to(at::kFloat), weight.to(at::kFloat), wide_bias).to(x.scalar_type());
}

at::Tensor linear(const at::Tensor& x, const Weight& weight, const at::Tensor& bias, int64_t item) {
  const std::vector<Delta> deltas = for_item(weight, item);
  if (weight.row_scale.defined())
    return linear_int8(x, weight.data, weight.row_scale, bias, deltas);
  if (x.scalar_type() == at::kBFloat16 && !has_native_bf16())
    return linear_widened(x, weight.data, bias, deltas);
  at::Tensor y = at::linear(x, weight.data, bias.defined() ? std::optional(bias) : std::nullopt);
  if (deltas.empty()) return y;
  const at::Tensor x_MK = x.reshape({-1, weight.data.size(1)});
  at::Tensor y_MN = y.view({-1, weight.data.size(0)});
  for (const Delta& delta : deltas) add_update_(y_MN, x_MK, delta);
  return y;
}

}  // namespace gesso::nn
