#include "nn/rotary.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/stack.h>

#include "gesso/cpp/error.hpp"
#include "nn/norm.hpp"
#include "nn/rows.hpp"

namespace gesso::nn {

Rotary rotary_table(const at::Tensor& positions, const std::vector<int64_t>& axes_dims,
                    double theta) {
  std::vector<at::Tensor> angles;
  for (size_t axis = 0; axis < axes_dims.size(); ++axis) {
    const int64_t d = axes_dims[axis];
    const at::Tensor exponent = at::arange(0, d, 2, at::kDouble).div(static_cast<double>(d));
    const at::Tensor frequency = at::pow(theta, exponent).reciprocal();
    const at::Tensor position = positions.select(1, static_cast<int64_t>(axis)).to(at::kDouble);
    angles.push_back(position.unsqueeze(1).mul(frequency).to(at::kFloat));
  }
  const at::Tensor all = at::cat(angles, 1);
  return {all.cos(), all.sin()};
}

bool bf16_frequencies(const Values& values) {
  const std::string type = values.text("rope_inv_freq", "auto");
  if (type == "auto") {
    return values.text("numerics", "precise") == "diffsynth" &&
           values.text("dtype", "f32") == "bf16";
  }
  if (type == "f32" || type == "bf16") return type == "bf16";
  throw Error(Status::InvalidArgument,
              "rope_inv_freq: expected \"auto\", \"f32\" or \"bf16\", found \"" + type + "\"");
}

at::Tensor inverse_frequencies(const at::Tensor& exponent, double theta, bool bf16) {
  const at::Tensor frequency = at::pow(theta, exponent).reciprocal();
  return bf16 ? frequency.to(at::kBFloat16).to(at::kFloat) : frequency;
}

void head_norm_rotate_(at::Tensor& x, const at::Tensor& weight, double eps, const Rotary& rotary) {
  const int64_t H = x.size(1), D = x.size(2);
  for_kernel_type(x, [&]<class T>(T) {
    const T* w = data<T>(weight);
    for_rows(x.size(0), H * D, [&](int64_t begin, int64_t count) {
      kernels::head_norm_rotate(
          data<T>(x) + begin * H * D, w, data<float>(rotary.cos) + begin * D / 2,
          data<float>(rotary.sin) + begin * D / 2, static_cast<float>(eps), count, H, D);
    });
  });
}

at::Tensor head_norm_rotate_plain(const at::Tensor& x, const at::Tensor& weight, double eps,
                                  const Rotary& rotary) {
  const at::Tensor n = rms_norm_plain(x, weight, eps).to(at::kFloat).unflatten(-1, {-1, 2});
  const at::Tensor re = n.select(-1, 0), im = n.select(-1, 1);
  const at::Tensor cos = rotary.cos.unsqueeze(1), sin = rotary.sin.unsqueeze(1);
  return at::stack({re.mul(cos).sub(im.mul(sin)), re.mul(sin).add(im.mul(cos))}, -1)
      .flatten(-2)
      .to(x.scalar_type());
}

at::Tensor rotate_halves(const at::Tensor& x, const Rotary& rotary) {
  const at::Tensor cos = at::cat({rotary.cos, rotary.cos}, 1).to(x.scalar_type()).unsqueeze(1);
  const at::Tensor sin = at::cat({rotary.sin, rotary.sin}, 1).to(x.scalar_type()).unsqueeze(1);
  const auto halves = x.chunk(2, -1);
  return x.mul(cos).add(at::cat({halves[1].neg(), halves[0]}, -1).mul(sin));
}

}  // namespace gesso::nn
