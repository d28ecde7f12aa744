// L: tokens, D: width, H: heads, G: key and value heads, K: numbers of a head.
#include "model.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/remainder.h>

#include "gesso/cpp/training_torch.hpp"
#include "gesso/kind/text_encoder.h"
#include "nn/activation.hpp"
#include "nn/attention.hpp"
#include "nn/linear.hpp"
#include "nn/norm.hpp"
#include "nn/trainable.hpp"

namespace gesso::qwen3 {
namespace {

enum : uint32_t {  // places of the weights in a layer's unit
  kQ,
  kK,
  kV,
  kO,
  kQNorm,
  kKNorm,
  kGate,
  kUp,
  kDown,
  kInputNorm,
  kPostNorm
};

std::string layer_name(int64_t index) { return "model.layers." + std::to_string(index); }

std::vector<nn::WeightSpec> layer_weights(const std::string& p, const Config& c) {
  const int64_t q_dim = c.heads * c.head_dim, kv_dim = c.kv_heads * c.head_dim;
  return {nn::matrix(p + ".self_attn.q_proj.weight", q_dim, c.hidden),
          nn::matrix(p + ".self_attn.k_proj.weight", kv_dim, c.hidden),
          nn::matrix(p + ".self_attn.v_proj.weight", kv_dim, c.hidden),
          nn::matrix(p + ".self_attn.o_proj.weight", c.hidden, q_dim),
          {p + ".self_attn.q_norm.weight", {c.head_dim}},
          {p + ".self_attn.k_norm.weight", {c.head_dim}},
          nn::matrix(p + ".mlp.gate_proj.weight", c.ffn_dim, c.hidden),
          nn::matrix(p + ".mlp.up_proj.weight", c.ffn_dim, c.hidden),
          nn::matrix(p + ".mlp.down_proj.weight", c.hidden, c.ffn_dim),
          {p + ".input_layernorm.weight", {c.hidden}},
          {p + ".post_attention_layernorm.weight", {c.hidden}}};
}

int64_t count_layers(const Weights& weights) {
  int64_t n = 0;
  while (weights.find(layer_name(n) + ".input_layernorm.weight")) ++n;
  return n;
}

/// Angles in float32 all through, as transformers computes them.
nn::Rotary rotary_of(int64_t length, const Config& c) {
  const at::Tensor exponent =
      at::arange(0, c.head_dim, 2, at::kFloat).div(static_cast<double>(c.head_dim));
  const at::Tensor frequency = nn::inverse_frequencies(exponent, c.rope_theta, c.bf16_frequencies);
  const at::Tensor angle = at::arange(length, at::kFloat).unsqueeze(1).mul(frequency);
  return {angle.cos(), angle.sin()};
}

}  // namespace

Config read_config(const Setup& setup) {
  const auto extent = [&](const std::string& name, size_t axis) {
    return setup.weights.describe(name).shape.at(axis);
  };
  const std::string first = layer_name(0);
  Config c{};
  c.vocab_size = extent("model.embed_tokens.weight", 0);
  c.hidden = extent("model.embed_tokens.weight", 1);
  c.head_dim = extent(first + ".self_attn.q_norm.weight", 0);
  c.heads = extent(first + ".self_attn.q_proj.weight", 0) / c.head_dim;
  c.kv_heads = extent(first + ".self_attn.k_proj.weight", 0) / c.head_dim;
  c.ffn_dim = extent(first + ".mlp.gate_proj.weight", 0);
  c.num_hidden_layers =
      setup.values.integer("config.num_hidden_layers", count_layers(setup.weights));
  c.rope_theta = setup.values.real("config.rope_theta", 1e6);
  c.rms_norm_eps = setup.values.real("config.rms_norm_eps", 1e-6);
  c.wrap_ids = setup.values.boolean("token_ids_modulo_vocab", false);
  c.bf16_frequencies = nn::bf16_frequencies(setup.values);
  return c;
}

Layer::Layer(const Weights& weights, int64_t index, const Config& config)
    : config_(config),
      unit_(weights, "layers." + std::to_string(index), layer_weights(layer_name(index), config)) {}

void Layer::Scope::forward(at::Tensor& x_LD, const nn::Rotary& rotary, int64_t item) const {
  const double eps = config_.rms_norm_eps;
  x_LD.add_(attend(nn::rms_norm(x_LD, w_[kInputNorm].data, eps), rotary, item));
  x_LD.add_(feed_forward(nn::rms_norm(x_LD, w_[kPostNorm].data, eps), item));
}

at::Tensor Layer::Scope::attend(const at::Tensor& x_LD, const nn::Rotary& rotary,
                                int64_t item) const {
  const auto heads = [&](uint32_t place) {
    return nn::linear(x_LD, w_[place], {}, item).unflatten(-1, {-1, config_.head_dim});
  };
  const auto normed = [&](uint32_t projection, uint32_t norm) {
    const at::Tensor x = nn::rms_norm(heads(projection), w_[norm].data, config_.rms_norm_eps);
    return nn::rotate_halves(x, rotary);
  };
  const at::Tensor q_LHK = normed(kQ, kQNorm), k_LGK = normed(kK, kKNorm);
  const at::Tensor mixed_LD = nn::attention(q_LHK, k_LGK, heads(kV), /*causal=*/true);
  return nn::linear(mixed_LD, w_[kO], {}, item);
}

at::Tensor Layer::Scope::feed_forward(const at::Tensor& x_LD, int64_t item) const {
  at::Tensor gate = nn::linear(x_LD, w_[kGate], {}, item);
  nn::silu_multiply_(gate, nn::linear(x_LD, w_[kUp], {}, item));
  return nn::linear(gate, w_[kDown], {}, item);
}

Model::Model(const Setup& setup)
    : config_(read_config(setup)),
      embedding_(setup.weights, "embed_tokens",
                 {{"model.embed_tokens.weight",
                   {config_.vocab_size, config_.hidden},
                   GESSO_WEIGHT_NO_TARGET}}) {
  for (int64_t i = 0; i + 1 < config_.num_hidden_layers; ++i) {
    layers_.emplace_back(setup.weights, i, config_);
  }
}

at::Tensor Model::checked_ids(const at::Tensor& ids_L, size_t prompt) const {
  const auto fail = [&](const std::string& text) {
    throw Error(Status::InvalidArgument, "token_ids " + std::to_string(prompt) + ": " + text);
  };
  if (ids_L.dim() != 1 || ids_L.numel() == 0) {
    fail("expected a list of one id at least, found shape " + shape_text(ids_L.sizes()));
  }
  if (config_.wrap_ids) return at::remainder(ids_L, config_.vocab_size);
  const int64_t low = ids_L.min().item<int64_t>(), high = ids_L.max().item<int64_t>();
  if (low < 0 || high >= config_.vocab_size) {
    fail("expected ids from 0 to " + std::to_string(config_.vocab_size - 1) + ", found " +
         std::to_string(low < 0 ? low : high) + "; does the tokenizer belong to this model?");
  }
  return ids_L;
}

std::vector<at::Tensor> Model::encode(const Call& call, const std::vector<at::Tensor>& ids_L) {
  std::vector<at::Tensor> states_LD;
  std::vector<nn::Rotary> rotary;
  {
    const auto w = embedding_.enter(call);
    for (const at::Tensor& ids : ids_L) {
      states_LD.push_back(w[0].data.index_select(0, checked_ids(ids, states_LD.size())));
      rotary.push_back(rotary_of(ids.size(0), config_));
    }
  }
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (i + 1 < layers_.size()) layers_[i + 1].prefetch();
    const auto layer = layers_[i].enter(call);
    for (size_t k = 0; k < states_LD.size(); ++k) {
      layer.forward(states_LD[k], rotary[k], static_cast<int64_t>(k));
    }
  }
  return states_LD;
}

at::Tensor Layer::train(const Call& call, torch::Leaves& leaves, const at::Tensor& x_1LD,
                        const nn::Rotary& rotary) {
  using namespace nn::trainable;
  const auto& w = leaves.enter(call, unit_.unit());
  const double eps = config_.rms_norm_eps;
  const at::Tensor h_1LD = rms_norm(x_1LD, w[kInputNorm].data, eps);
  const auto heads = [&](uint32_t place) {
    return linear(h_1LD, w[place]).unflatten(-1, {-1, config_.head_dim});
  };
  const auto normed = [&](uint32_t projection, uint32_t norm) {
    return nn::rotate_halves(rms_norm(heads(projection), w[norm].data, eps), rotary);
  };
  const at::Tensor mixed_1LD = causal_attention(normed(kQ, kQNorm), normed(kK, kKNorm), heads(kV));
  const at::Tensor y_1LD = x_1LD.add(linear(mixed_1LD, w[kO]));
  const at::Tensor n_1LD = rms_norm(y_1LD, w[kPostNorm].data, eps);
  const at::Tensor gated = silu_multiply(linear(n_1LD, w[kGate]), linear(n_1LD, w[kUp]));
  return y_1LD.add(linear(gated, w[kDown]));
}

std::unique_ptr<Tape> Model::train(const Call& call, const std::vector<at::Tensor>& ids_L,
                                   Outputs& outputs, const TrainRequest& request) {
  using Tensors = torch::Trace::Tensors;
  auto trace = std::make_unique<torch::Trace>(request);
  for (size_t k = 0; k < ids_L.size(); ++k) {
    const at::Tensor ids = checked_ids(ids_L[k], k).clone();
    const nn::Rotary rotary = rotary_of(ids.size(0), config_);
    torch::Value x =
        trace
            ->piece(call, {},
                    [this, ids](const Call& c, torch::Leaves& leaves, const Tensors&) -> Tensors {
                      const auto& w = leaves.enter(c, embedding_.unit());
                      return {w[0].data.index_select(0, ids).unsqueeze(0)};
                    })
            .front();
    for (Layer& layer : layers_) {
      x = trace
              ->piece(call, {x},
                      [&layer, rotary](const Call& c, torch::Leaves& leaves, const Tensors& in)
                          -> Tensors { return {layer.train(c, leaves, in[0], rotary)}; })
              .front();
    }
    const torch::Value text{x.tensor.squeeze(0), x.place};
    trace->output(GESSO_PORT_TEXT, static_cast<int32_t>(k), text, outputs);
  }
  return trace;
}

}  // namespace gesso::qwen3
