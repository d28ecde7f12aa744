// L: patches, D: width, S: side of the picture in pixels.
#include "model.hpp"

#include <ATen/ops/cat.h>

#include <cmath>

#include "nn/attention.hpp"
#include "nn/linear.hpp"

namespace gesso::siglip2_g384 {
namespace {

enum : uint32_t { kPatch, kPatchBias, kPositions };  // of the embeddings
enum : uint32_t {                                    // of the head
  kPostNorm,
  kPostNormBias,
  kProbe,
  kIn,
  kInBias,
  kOut,
  kOutBias,
  kNorm,
  kNormBias,
  kMlp  // fc1, its bias, fc2, its bias
};

constexpr const char* kPatchName = "embeddings.patch_embedding.weight";
constexpr const char* kPositionsName = "embeddings.position_embedding.weight";

std::vector<nn::WeightSpec> embedding_weights(const image_encoder::SiglipConfig& c,
                                              const Frame& frame) {
  return {{kPatchName, {c.hidden, 3, c.patch, c.patch}},
          {"embeddings.patch_embedding.bias", {c.hidden}},
          {kPositionsName, {frame.patches(), c.hidden}, GESSO_WEIGHT_BUFFER}};
}

std::vector<nn::WeightSpec> head_weights(const image_encoder::SiglipConfig& c) {
  const int64_t D = c.hidden, F = c.ffn_dim;
  return {{"post_layernorm.weight", {D}},
          {"post_layernorm.bias", {D}},
          {"head.probe", {1, 1, D}},
          {"head.attention.in_proj_weight", {3 * D, D}},
          {"head.attention.in_proj_bias", {3 * D}},
          {"head.attention.out_proj.weight", {D, D}},
          {"head.attention.out_proj.bias", {D}},
          {"head.layernorm.weight", {D}},
          {"head.layernorm.bias", {D}},
          {"head.mlp.fc1.weight", {F, D}},
          {"head.mlp.fc1.bias", {F}},
          {"head.mlp.fc2.weight", {D, F}},
          {"head.mlp.fc2.bias", {D}}};
}

}  // namespace

Frame Frame::read(const Setup& setup) {
  Frame frame;
  frame.patch = setup.values.integer("config.patch_size", 16);
  frame.side = setup.values.integer("config.image_size", 384);
  if (setup.weights) {
    frame.patch = setup.weights.describe(kPatchName).shape.at(2);
    const auto positions = static_cast<double>(setup.weights.describe(kPositionsName).shape.at(0));
    frame.side = std::llround(std::sqrt(positions)) * frame.patch;
  }
  return frame;
}

at::Tensor Frame::preprocess(const at::Tensor& bytes_3HW) const {
  return image_encoder::normalise_half(image_encoder::resize(bytes_3HW, {side, side}));
}

Model::Model(const Setup& setup, const Frame& frame)
    : config_(image_encoder::read_siglip_config(setup, frame.patch)),
      embeddings_(setup.weights, "embeddings", embedding_weights(config_, frame)),
      stack_(setup.weights, config_),
      head_(setup.weights, "head", head_weights(config_)) {}

std::vector<at::Tensor> Model::encode(const Call& call, const std::vector<at::Tensor>& values_3SS) {
  std::vector<at::Tensor> states_LD = embed(call, values_3SS);
  stack_.forward(call, states_LD);
  return pool(call, states_LD);
}

std::vector<at::Tensor> Model::embed(const Call& call, const std::vector<at::Tensor>& values_3SS) {
  const auto w = embeddings_.enter(call);
  const nn::Weight kernel{w[kPatch].data.flatten(1), {}};
  std::vector<at::Tensor> states_LD;
  for (const at::Tensor& values : values_3SS) {
    const at::Tensor patches =
        image_encoder::patches_channel_first(values, config_.patch).to(kernel.data.scalar_type());
    states_LD.push_back(nn::linear(patches, kernel, w[kPatchBias].data).add_(w[kPositions].data));
  }
  return states_LD;
}

std::vector<at::Tensor> Model::pool(const Call& call, const std::vector<at::Tensor>& states_LD) {
  using image_encoder::layer_norm;
  const auto w = head_.enter(call);
  const int64_t D = config_.hidden;
  std::vector<at::Tensor> pooled_D;
  for (size_t i = 0; i < states_LD.size(); ++i) {
    const auto item = static_cast<int64_t>(i);
    const at::Tensor tokens_LD =
        layer_norm(states_LD[i], w[kPostNorm], w[kPostNormBias], config_.eps);
    // The query comes of the probe, keys and values of the tokens: one product makes them all.
    const at::Tensor rows = at::cat({w[kProbe].data.view({1, D}), tokens_LD});
    const at::Tensor qkv = nn::linear(rows, w[kIn], w[kInBias].data, item);
    const auto heads = [&](int64_t part, int64_t first_row, int64_t count) {
      const at::Tensor x = qkv.narrow(0, first_row, count).narrow(1, part * D, D);
      return image_encoder::split_heads(x, config_.head_dim());
    };
    const int64_t L = tokens_LD.size(0);
    const at::Tensor mixed_1D = nn::attention(heads(0, 0, 1), heads(1, 1, L), heads(2, 1, L));
    at::Tensor y_1D = nn::linear(mixed_1D, w[kOut], w[kOutBias].data, item);
    const at::Tensor normed_1D = layer_norm(y_1D, w[kNorm], w[kNormBias], config_.eps);
    y_1D = y_1D.add(image_encoder::siglip_mlp(normed_1D, w, kMlp, item));
    pooled_D.push_back(y_1D.squeeze(0));
  }
  return pooled_D;
}

}  // namespace gesso::siglip2_g384
