#include "nn/convolution.hpp"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <limits>

#include "nn/cpu_features.hpp"
#include "nn/watched.hpp"

namespace gesso::nn {
namespace {

constexpr at::MemoryFormat kOrder = at::MemoryFormat::ChannelsLast;

/// The kernel's three rows (`axis` 1) or columns (2) as two: those that meet the same cell of the
/// undoubled picture are added up. `odd`: for the second of the two results of a cell.
at::Tensor folded(const at::Tensor& kernel_OHWI, int64_t axis, bool odd) {
  const auto part = [&](int64_t i) { return kernel_OHWI.select(axis, i); };
  return odd ? at::stack({part(0).add(part(1)), part(2)}, axis)
             : at::stack({part(0), part(1).add(part(2))}, axis);
}

/// Every second row and column, from `row`, `column` on.
at::Tensor every_second(const at::Tensor& x_BCHW, int64_t row, int64_t column) {
  constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
  return x_BCHW.slice(2, row, kEnd, 2).slice(3, column, kEnd, 2);
}

}  // namespace

at::ScalarType convolution_type(at::ScalarType weights) {
  return weights == at::kBFloat16 && !has_native_bf16() ? at::kFloat : weights;
}

at::Tensor conv2d(const at::Tensor& x_BCHW, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t stride, int64_t padding) {
  const at::ScalarType type = convolution_type(weight.scalar_type());
  return at::conv2d(x_BCHW.to(type).contiguous(kOrder), weight.to(type).contiguous(kOrder),
                    bias.to(type), {stride, stride}, {padding, padding});
}

at::Tensor doubled_conv2d_plain(const at::Tensor& x_BCHW, const at::Tensor& weight,
                                const at::Tensor& bias) {
  const int64_t H = x_BCHW.size(2), W = x_BCHW.size(3);
  return conv2d(at::upsample_nearest2d(x_BCHW, {2 * H, 2 * W}), weight, bias, 1, 1);
}

at::Tensor doubled_conv2d(const at::Tensor& x_BCHW, const at::Tensor& weight,
                          const at::Tensor& bias) {
  if (watched({x_BCHW, weight, bias}) || weight.size(2) != 3 || weight.size(3) != 3) {
    return doubled_conv2d_plain(x_BCHW, weight, bias);
  }
  const at::ScalarType type = convolution_type(weight.scalar_type());
  const int64_t B = x_BCHW.size(0), H = x_BCHW.size(2), W = x_BCHW.size(3);
  const at::Tensor x = x_BCHW.to(type).contiguous(kOrder);
  const at::Tensor wide_OHWI = weight.to(at::kFloat).permute({0, 2, 3, 1}).contiguous();
  at::Tensor y = at::empty({B, weight.size(0), 2 * H, 2 * W}, x.options(), kOrder);
  for (const int64_t row : {0, 1}) {
    const at::Tensor rows_OHWI = folded(wide_OHWI, 1, row == 1);
    for (const int64_t column : {0, 1}) {
      const at::Tensor kernel = folded(rows_OHWI, 2, column == 1).to(type).permute({0, 3, 1, 2});
      const at::Tensor padded = conv2d(x, kernel, bias, 1, 1);  // [B, C, H + 1, W + 1]
      every_second(y, row, column).copy_(padded.narrow(2, row, H).narrow(3, column, W));
    }
  }
  return y;
}

}  // namespace gesso::nn
