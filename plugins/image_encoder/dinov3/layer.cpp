// L: tokens, D: width, H: heads, K: numbers of a head.
#include "layer.hpp"

#include "nn/activation.hpp"
#include "nn/attention.hpp"
#include "nn/linear.hpp"

namespace gesso::dinov3 {
namespace {

enum : uint32_t {  // places of the weights in a layer's unit
  kNorm1,
  kNorm1Bias,
  kQ,
  kK,
  kV,
  kO,
  kOBias,
  kScale1,
  kNorm2,
  kNorm2Bias,
  kGate,
  kGateBias,
  kUp,
  kUpBias,
  kDown,
  kDownBias,
  kScale2
};

std::vector<nn::WeightSpec> layer_weights(const std::string& p, const Config& c) {
  const int64_t D = c.hidden, F = c.ffn_dim;
  return {{p + ".norm1.weight", {D}},
          {p + ".norm1.bias", {D}},
          nn::matrix(p + ".attention.q_proj.weight", D, D),
          nn::matrix(p + ".attention.k_proj.weight", D, D),
          nn::matrix(p + ".attention.v_proj.weight", D, D),
          nn::matrix(p + ".attention.o_proj.weight", D, D),
          {p + ".attention.o_proj.bias", {D}},
          {p + ".layer_scale1.lambda1", {D}},
          {p + ".norm2.weight", {D}},
          {p + ".norm2.bias", {D}},
          nn::matrix(p + ".mlp.gate_proj.weight", F, D),
          {p + ".mlp.gate_proj.bias", {F}},
          nn::matrix(p + ".mlp.up_proj.weight", F, D),
          {p + ".mlp.up_proj.bias", {F}},
          nn::matrix(p + ".mlp.down_proj.weight", D, F),
          {p + ".mlp.down_proj.bias", {D}},
          {p + ".layer_scale2.lambda1", {D}}};
}

}  // namespace

Layer::Layer(const Weights& weights, int64_t index, const Config& config)
    : config_(config),
      unit_(weights, "layer." + std::to_string(index),
            layer_weights("layer." + std::to_string(index), config)) {}

void Layer::Scope::forward(at::Tensor& x_LD, const nn::Rotary& rotary, int64_t item) const {
  const auto normed = [&](uint32_t norm) {
    return image_encoder::layer_norm(x_LD, w_[norm], w_[norm + 1], config_.eps);
  };
  x_LD.add_(attend(normed(kNorm1), rotary, item).mul_(w_[kScale1].data));
  x_LD.add_(feed_forward(normed(kNorm2), item).mul_(w_[kScale2].data));
}

at::Tensor Layer::Scope::attend(const at::Tensor& x_LD, const nn::Rotary& rotary,
                                int64_t item) const {
  const auto heads = [&](uint32_t place) {
    return image_encoder::split_heads(nn::linear(x_LD, w_[place], {}, item), config_.head_dim());
  };
  const at::Tensor q_LHK = nn::rotate_halves(heads(kQ), rotary);
  const at::Tensor k_LHK = nn::rotate_halves(heads(kK), rotary);
  const at::Tensor mixed_LD = nn::attention(q_LHK, k_LHK, heads(kV));
  return nn::linear(mixed_LD, w_[kO], w_[kOBias].data, item);
}

at::Tensor Layer::Scope::feed_forward(const at::Tensor& x_LD, int64_t item) const {
  at::Tensor gate_LF = nn::linear(x_LD, w_[kGate], w_[kGateBias].data, item);
  nn::silu_multiply_(gate_LF, nn::linear(x_LD, w_[kUp], w_[kUpBias].data, item));
  return nn::linear(gate_LF, w_[kDown], w_[kDownBias].data, item);
}

}  // namespace gesso::dinov3
