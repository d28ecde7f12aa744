// What the layers of vision transformers share.
#pragma once

#include <ATen/core/Tensor.h>

#include "gesso/module.h"
#include "nn/weight_unit.hpp"

namespace gesso::image_encoder {

/// Sizes of a transformer that all image encoders have.
struct Shape {
  int64_t hidden, heads, ffn_dim, layers, patch;
  int64_t head_dim() const { return hidden / heads; }
};

/// How many numbered layers the weights have: `prefix` + number + `suffix`.
int64_t count_layers(const Weights& weights, const std::string& prefix, const std::string& suffix);

/// @throws Error  InvalidArgument unless `heads` divides `hidden`
void check_heads(int64_t hidden, int64_t heads);

at::Tensor layer_norm(const at::Tensor& x, const nn::Weight& weight, const nn::Weight& bias,
                      double eps);

/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), in place.
void gelu_tanh_(at::Tensor& x);

/// [L, H * K] -> [L, H, K]
at::Tensor split_heads(const at::Tensor& x_LD, int64_t head_dim);

/// Work and room for one picture of `tokens` tokens. `ffn_matrices`: 2, or 3 with a gate.
gesso_estimate_t estimate_picture(const Shape& shape, int64_t tokens, int64_t ffn_matrices);

}  // namespace gesso::image_encoder
