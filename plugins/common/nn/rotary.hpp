// Rotary position embedding.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "gesso/cpp/value.hpp"

namespace gesso::nn {

/// Angles of the tokens as float32 cos and sin [L, D/2].
struct Rotary {
  at::Tensor cos, sin;
};

/// Position of a token on each axis, and how many numbers of a head belong to each axis.
///
/// Frequency k of an axis of d numbers: theta^(-2k/d), in float64; angle: position * frequency in
/// float64, rounded to float32 before cos and sin. Axes stand one after another.
/// @param positions  [L, axes], int32
Rotary rotary_table(const at::Tensor& positions, const std::vector<int64_t>& axes_dims,
                    double theta);

/// The setup value `rope_inv_freq` of models whose reference may round the frequencies: "f32" as
/// they are, "bf16" rounded, "auto" rounded where the reference's numerics are asked for in bf16.
/// @return        whether they are rounded
/// @throws Error  InvalidArgument for another word
bool bf16_frequencies(const Values& values);

/// theta^-exponent in float32, the way of transformers; with `bf16` rounded once.
at::Tensor inverse_frequencies(const at::Tensor& exponent, double theta, bool bf16);

/// RMSNorm of each head, then rotation of the pairs (2i, 2i+1), in place.
/// @param x  [L, H, D], contiguous; `weight` [D]
void head_norm_rotate_(at::Tensor& x, const at::Tensor& weight, double eps, const Rotary& rotary);
/// Its oracle: norms differ as `rms_norm` and its oracle do, the rotation does not.
at::Tensor head_norm_rotate_plain(const at::Tensor& x, const at::Tensor& weight, double eps,
                                  const Rotary& rotary);

/// Rotation of the pairs (i, i + D/2), in the type of x, each product rounded by itself.
/// @param x  [L, H, D]
at::Tensor rotate_halves(const at::Tensor& x, const Rotary& rotary);

}  // namespace gesso::nn
