#include "runtime/inpainting.hpp"

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/TensorOperators.h>

#include "runtime/sampling.hpp"

namespace gesso::runtime {

Inpainting::Inpainting(const Run& run, at::Tensor original) : original_CHW_(std::move(original)) {
  mask_1HW_ = pixels_from_image(*run.request.inpaint_mask, at::kFloat, 0, 1).mean(0, true);
  const int64_t cells[] = {original_CHW_.size(1), original_CHW_.size(2)};
  mask_1hw_ = at::adaptive_avg_pool2d(mask_1HW_, cells).to(original_CHW_.scalar_type());
  pixels_3HW_ = pixels_from_image(*run.request.input_image, at::kFloat);
}

at::Tensor Inpainting::blend(const at::Tensor& latents, const at::Tensor& noise,
                             double sigma) const {
  return mask_1hw_ * latents + (1 - mask_1hw_) * add_noise(original_CHW_, noise, sigma);
}

at::Tensor Inpainting::overlay(const at::Tensor& pixels) const {
  return mask_1HW_ * pixels.to(at::kFloat) + (1 - mask_1HW_) * pixels_3HW_;
}

}  // namespace gesso::runtime
