#include "nn/convolution.hpp"

#include <ATen/ops/conv2d.h>

#include "nn/cpu_features.hpp"

namespace gesso::nn {
namespace {

at::MemoryFormat order_of(at::ScalarType type) {
  return type == at::kBFloat16 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

}  // namespace

at::ScalarType convolution_type(at::ScalarType weights) {
  return weights == at::kBFloat16 && !has_native_bf16() ? at::kFloat : weights;
}

at::Tensor conv2d(const at::Tensor& x_BCHW, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t stride, int64_t padding) {
  const at::ScalarType type = convolution_type(weight.scalar_type());
  const at::MemoryFormat order = order_of(type);
  return at::conv2d(x_BCHW.to(type).contiguous(order), weight.to(type).contiguous(order),
                    bias.to(type), {stride, stride}, {padding, padding});
}

}  // namespace gesso::nn
