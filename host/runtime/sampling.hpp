// The arithmetic between the components: noise, guidance, steps, pixels.
//
// The dtype of the tensors decides the rounding: float32 latents are the "precise" convention, bf16
// latents reproduce the reference, which rounds after each operation (docs/numerics.md).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "engine/image/image.hpp"
#include "gesso/kind/scheduler.h"

namespace gesso::runtime {

/// Normal noise [C, H, W] of a seed, bit for bit the reference's CPU generator (torch 2.13).
at::Tensor initial_noise(uint64_t seed, int64_t channels, int64_t height, int64_t width,
                         at::ScalarType dtype);

/// negative + cfg_scale * (positive - negative), in the dtype of the arguments.
at::Tensor merge_guidance(const at::Tensor& positive, const at::Tensor& negative, double cfg_scale);

/// `merged`, shortened so that it is at most `most` times as long as `positive` (diffusers'
/// cfg_normalization); `most` 0: as it is.
at::Tensor limit_norm(const at::Tensor& merged, const at::Tensor& positive, double most);

/// (1 - sigma) * clean + sigma * noise, in the dtype of `clean`.
at::Tensor add_noise(const at::Tensor& clean, const at::Tensor& noise, double sigma);

/// One evaluation of the schedule: c_sample * x + sum_k c_history[k] * predictions[k] + c_noise *
/// noise. `predictions`: newest first. In the dtype of `x`.
at::Tensor step(const at::Tensor& x, std::span<const at::Tensor> predictions,
                const at::Tensor& noise, const gesso_eval_t& eval);

/// Place of the entry nearest to `timestep`, the first of equals.
size_t nearest_timestep(std::span<const float> timesteps, float timestep);

/// Bytes to [3, H, W] with 0 -> low and 255 -> high, each operation rounded to `dtype`.
at::Tensor pixels_from_image(const image::Image& image, at::ScalarType dtype, double low = -1,
                             double high = 1);

enum class EightBit { Round, Truncate };

/// [3, H, W] in about [-1, 1] to bytes; (x + 1) * 127.5 in the dtype of `pixels`, clipped, then
/// rounded or (as the reference does) truncated.
image::Image image_from_pixels(const at::Tensor& pixels, EightBit mode);

/// A picture of latents [C, h, w] through a linear map, `scale` times as large.
/// @param weight  C x 3 numbers, row by row;  @param bias  3 numbers
image::Image preview_from_latents(const at::Tensor& latents, std::span<const float> weight,
                                  std::span<const float> bias, int64_t scale);

/// @throws Error Numeric naming `what`, the number of NaN and Inf, and the likely cause
void check_finite(const at::Tensor& tensor, const std::string& what);

}  // namespace gesso::runtime
