// Painting a part of a picture anew with a model that knows no masks: after each step, everything
// outside of the mask is put back to where the original would be at this noise level.
#pragma once

#include <ATen/core/Tensor.h>

#include "runtime/run.hpp"

namespace gesso::runtime {

class Inpainting {
 public:
  /// @param original  latents of input_image [C, h, w]
  Inpainting(const Run& run, at::Tensor original);

  /// Blends: mask * latents + (1 - mask) * original at `sigma`, with the picture's own noise.
  at::Tensor blend(const at::Tensor& latents, const at::Tensor& noise, double sigma) const;
  /// Pixels outside of the mask come from input_image. Both [3, H, W] in [-1, 1].
  at::Tensor overlay(const at::Tensor& pixels) const;

 private:
  at::Tensor original_CHW_, pixels_3HW_;
  at::Tensor mask_1hw_, mask_1HW_;  // in latent cells and in pixels; 1 = painted anew
};

}  // namespace gesso::runtime
