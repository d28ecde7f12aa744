#include "image_encoder/layers.hpp"

#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>

namespace gesso::image_encoder {

int64_t count_layers(const Weights& weights, const std::string& prefix, const std::string& suffix) {
  int64_t n = 0;
  while (weights.find(prefix + std::to_string(n) + suffix)) ++n;
  return n;
}

void check_heads(int64_t hidden, int64_t heads) {
  if (heads > 0 && hidden % heads == 0) return;
  throw Error(Status::InvalidArgument,
              "num_attention_heads: expected a divisor of the width " + std::to_string(hidden) +
                  ", found " + std::to_string(heads) +
                  "; is config.json another model's, or missing beside small weights?");
}

at::Tensor layer_norm(const at::Tensor& x, const nn::Weight& weight, const nn::Weight& bias,
                      double eps) {
  return at::layer_norm(x, {x.size(-1)}, weight.data, bias.data, eps);
}

void gelu_tanh_(at::Tensor& x) { at::gelu_(x, "tanh"); }

at::Tensor split_heads(const at::Tensor& x_LD, int64_t head_dim) {
  return x_LD.unflatten(-1, {-1, head_dim});
}

gesso_estimate_t estimate_picture(const Shape& shape, int64_t tokens, int64_t ffn_matrices) {
  const int64_t D = shape.hidden, L = tokens;
  const int64_t layer = 4 * D * D + ffn_matrices * D * shape.ffn_dim;
  const int64_t patches = 2 * L * D * 3 * shape.patch * shape.patch;
  const int64_t flops = shape.layers * (2 * L * layer + 4 * L * L * D) + patches;
  // In float32: state, normed state, q, k, v, mixture, and both sides of the feed-forward.
  const int64_t numbers = L * (6 * D + 2 * shape.ffn_dim);
  return {sizeof(gesso_estimate_t), 0, static_cast<uint64_t>(4 * numbers),
          static_cast<uint64_t>(flops)};
}

}  // namespace gesso::image_encoder
