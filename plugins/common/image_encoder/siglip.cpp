// L: tokens, D: width, H: heads, K: numbers of a head.
#include "image_encoder/siglip.hpp"

#include "nn/attention.hpp"
#include "nn/linear.hpp"

namespace gesso::image_encoder {
namespace {

enum : uint32_t {  // places of the weights in a layer's unit
  kNorm1,
  kNorm1Bias,
  kQ,
  kQBias,
  kK,
  kKBias,
  kV,
  kVBias,
  kOut,
  kOutBias,
  kNorm2,
  kNorm2Bias,
  kMlp  // fc1, its bias, fc2, its bias
};

std::string layer_name(int64_t index) { return "encoder.layers." + std::to_string(index); }

std::vector<nn::WeightSpec> layer_weights(const std::string& p, const SiglipConfig& c) {
  const int64_t D = c.hidden, F = c.ffn_dim;
  return {{p + ".layer_norm1.weight", {D}},
          {p + ".layer_norm1.bias", {D}},
          nn::matrix(p + ".self_attn.q_proj.weight", D, D),
          {p + ".self_attn.q_proj.bias", {D}},
          nn::matrix(p + ".self_attn.k_proj.weight", D, D),
          {p + ".self_attn.k_proj.bias", {D}},
          nn::matrix(p + ".self_attn.v_proj.weight", D, D),
          {p + ".self_attn.v_proj.bias", {D}},
          nn::matrix(p + ".self_attn.out_proj.weight", D, D),
          {p + ".self_attn.out_proj.bias", {D}},
          {p + ".layer_norm2.weight", {D}},
          {p + ".layer_norm2.bias", {D}},
          nn::matrix(p + ".mlp.fc1.weight", F, D),
          {p + ".mlp.fc1.bias", {F}},
          nn::matrix(p + ".mlp.fc2.weight", D, F),
          {p + ".mlp.fc2.bias", {D}}};
}

}  // namespace

SiglipConfig read_siglip_config(const Setup& setup, int64_t patch) {
  const auto fc1 = setup.weights.describe(layer_name(0) + ".mlp.fc1.weight");
  SiglipConfig c{};
  c.hidden = fc1.shape.at(1);
  c.ffn_dim = fc1.shape.at(0);
  c.layers = count_layers(setup.weights, "encoder.layers.", ".mlp.fc1.weight");
  c.heads = setup.values.integer("config.num_attention_heads", 16);
  c.patch = patch;
  c.eps = setup.values.real("config.layer_norm_eps", 1e-6);
  check_heads(c.hidden, c.heads);
  return c;
}

at::Tensor siglip_mlp(const at::Tensor& x_LD, const nn::WeightUnit::Scope& w, uint32_t first,
                      int64_t item) {
  at::Tensor inner_LF = nn::linear(x_LD, w[first], w[first + 1].data, item);
  gelu_tanh_(inner_LF);
  return nn::linear(inner_LF, w[first + 2], w[first + 3].data, item);
}

SiglipLayer::SiglipLayer(const Weights& weights, int64_t index, const SiglipConfig& config)
    : config_(config),
      unit_(weights, "layers." + std::to_string(index), layer_weights(layer_name(index), config)) {}

void SiglipLayer::Scope::forward(at::Tensor& x_LD, int64_t item) const {
  x_LD.add_(attend(layer_norm(x_LD, w_[kNorm1], w_[kNorm1Bias], config_.eps), item));
  x_LD.add_(siglip_mlp(layer_norm(x_LD, w_[kNorm2], w_[kNorm2Bias], config_.eps), w_, kMlp, item));
}

at::Tensor SiglipLayer::Scope::attend(const at::Tensor& x_LD, int64_t item) const {
  const auto heads = [&](uint32_t place) {
    return split_heads(nn::linear(x_LD, w_[place], w_[place + 1].data, item), config_.head_dim());
  };
  const at::Tensor mixed_LD = nn::attention(heads(kQ), heads(kK), heads(kV));
  return nn::linear(mixed_LD, w_[kOut], w_[kOutBias].data, item);
}

SiglipStack::SiglipStack(const Weights& weights, const SiglipConfig& config) {
  for (int64_t i = 0; i < config.layers; ++i) layers_.emplace_back(weights, i, config);
}

void SiglipStack::forward(const Call& call, std::vector<at::Tensor>& states_LD) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (i + 1 < layers_.size()) layers_[i + 1].prefetch();
    const auto layer = layers_[i].enter(call);
    for (size_t k = 0; k < states_LD.size(); ++k) {
      layer.forward(states_LD[k], static_cast<int64_t>(k));
    }
  }
}

}  // namespace gesso::image_encoder
