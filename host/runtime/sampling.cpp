#include "runtime/sampling.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <cmath>

#include "gesso/cpp/error.hpp"

namespace gesso::runtime {

at::Tensor initial_noise(uint64_t seed, int64_t channels, int64_t height, int64_t width,
                         at::ScalarType dtype) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn({channels, height, width}, generator, at::TensorOptions().dtype(dtype));
}

at::Tensor merge_guidance(const at::Tensor& positive, const at::Tensor& negative,
                          double cfg_scale) {
  return negative + cfg_scale * (positive - negative);
}

at::Tensor limit_norm(const at::Tensor& merged, const at::Tensor& positive, double most) {
  if (most <= 0) return merged;
  const double length = at::linalg_vector_norm(merged.to(at::kFloat)).item<double>();
  const double limit = most * at::linalg_vector_norm(positive.to(at::kFloat)).item<double>();
  return length > limit ? merged * (limit / length) : merged;
}

at::Tensor add_noise(const at::Tensor& clean, const at::Tensor& noise, double sigma) {
  // Float32 scalars in front: in bf16 the order of the factors decides where a product is rounded.
  const at::Tensor level = at::scalar_tensor(sigma, at::TensorOptions(at::kFloat));
  return (1 - level) * clean + level * noise;
}

at::Tensor step(const at::Tensor& x, std::span<const at::Tensor> predictions,
                const at::Tensor& noise, const gesso_eval_t& eval) {
  if (predictions.size() < eval.n_history) {
    throw Error(Status::Internal, "the schedule asks for more predictions than there were steps");
  }
  at::Tensor next = eval.c_sample == 1 ? x : x * eval.c_sample;
  for (uint32_t k = 0; k < eval.n_history; ++k) next = next + predictions[k] * eval.c_history[k];
  return eval.c_noise == 0 ? next : next + noise * eval.c_noise;
}

size_t nearest_timestep(std::span<const float> timesteps, float timestep) {
  size_t best = 0;
  for (size_t i = 1; i < timesteps.size(); ++i) {
    if (std::abs(timesteps[i] - timestep) < std::abs(timesteps[best] - timestep)) best = i;
  }
  return best;
}

at::Tensor pixels_from_image(const image::Image& image, at::ScalarType dtype, double low,
                             double high) {
  const at::Tensor bytes_HWC = at::from_blob(const_cast<uint8_t*>(image.pixels.data()),
                                             {image.height, image.width, image.channels},
                                             at::TensorOptions().dtype(at::kByte));
  const at::Tensor x_CHW = bytes_HWC.slice(2, 0, 3).permute({2, 0, 1}).to(dtype);
  return (x_CHW * ((high - low) / 255) + low).contiguous();
}

image::Image image_from_pixels(const at::Tensor& pixels, EightBit mode) {
  at::Tensor x_CHW = ((pixels + 1) * 127.5).clamp(0, 255);
  if (mode == EightBit::Round) x_CHW = (x_CHW.to(at::kFloat)).round();
  const at::Tensor bytes_HWC = x_CHW.permute({1, 2, 0}).contiguous().to(at::kByte).contiguous();
  image::Image image(static_cast<int>(bytes_HWC.size(1)), static_cast<int>(bytes_HWC.size(0)), 3);
  std::copy_n(bytes_HWC.const_data_ptr<uint8_t>(), image.pixels.size(), image.pixels.data());
  return image;
}

image::Image preview_from_latents(const at::Tensor& latents, std::span<const float> weight,
                                  std::span<const float> bias, int64_t scale) {
  const int64_t channels = latents.size(0);
  const at::Tensor weight_C3 = at::from_blob(const_cast<float*>(weight.data()), {channels, 3},
                                             at::TensorOptions(at::kFloat));
  const at::Tensor bias_3 =
      at::from_blob(const_cast<float*>(bias.data()), {3}, at::TensorOptions(at::kFloat));
  const at::Tensor x_HWC = latents.to(at::kFloat).permute({1, 2, 0});
  at::Tensor rgb_CHW = (at::matmul(x_HWC, weight_C3) + bias_3).permute({2, 0, 1});
  rgb_CHW = rgb_CHW.repeat_interleave(scale, 1).repeat_interleave(scale, 2);
  return image_from_pixels(rgb_CHW, EightBit::Round);
}

void check_finite(const at::Tensor& tensor, const std::string& what) {
  const int64_t finite = at::isfinite(tensor).sum().item<int64_t>();
  if (finite == tensor.numel()) return;
  throw Error(
      Status::Numeric,
      fmt::format("{}: {} of {} values are NaN or infinite; are the weights of this model, and "
                  "is its dtype one that it can be computed in?",
                  what, tensor.numel() - finite, tensor.numel()));
}

}  // namespace gesso::runtime
