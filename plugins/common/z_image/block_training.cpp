// A block as a differentiable function of a whole batch. What attention and the last layer of the
// feed-forward make is no larger than the block's input and a third of its work: it is made once.
#include "gesso/cpp/training_torch.hpp"
#include "nn/trainable.hpp"
#include "z_image/block.hpp"
#include "z_image/block_weights.hpp"

namespace gesso::z_image {

using namespace nn::trainable;

namespace {

/// Scales and gates [B, 1 or L, D]; all undefined (1) where the block is not modulated.
struct Modulation {
  at::Tensor scale_attention, gate_attention, scale_ffn, gate_ffn;
};

Modulation modulate(const std::vector<torch::Weight>& w, const TrainConditions& conditions) {
  at::Tensor parts_BN4D = linear(conditions.table_BNC, w[kModulation], w[kModulationBias].data);
  if (conditions.of_row_L.defined()) parts_BN4D = parts_BN4D.index_select(1, conditions.of_row_L);
  const auto m = parts_BN4D.chunk(4, -1);
  return {m[0].add(1), m[1].tanh(), m[2].add(1), m[3].tanh()};
}

}  // namespace

at::Tensor Block::train(const Call& call, torch::Leaves& leaves, const at::Tensor& x_BLD,
                        const nn::Rotary& rotary, const TrainConditions& conditions) {
  const auto& w = leaves.enter(call, unit_.unit());
  const Modulation m = modulated_ ? modulate(w, conditions) : Modulation{};
  const auto heads = [&](const at::Tensor& h_BLD, uint32_t place) {
    return linear(h_BLD, w[place]).unflatten(-1, {-1, head_dim_});
  };

  at::Tensor h_BLD = rms_norm(x_BLD, w[kAttentionNorm1].data, eps_, m.scale_attention);
  const at::Tensor q_BLHK = head_norm_rotate(heads(h_BLD, kToQ), w[kNormQ].data, eps_, rotary);
  const at::Tensor k_BLHK = head_norm_rotate(heads(h_BLD, kToK), w[kNormK].data, eps_, rotary);
  h_BLD = linear(attention(q_BLHK, k_BLHK, heads(h_BLD, kToV), &leaves), w[kToOut]);
  const at::Tensor y_BLD =
      add_gated_rms_norm(x_BLD, h_BLD, w[kAttentionNorm2].data, eps_, m.gate_attention);

  h_BLD = rms_norm(y_BLD, w[kFfnNorm1].data, eps_, m.scale_ffn);
  h_BLD = linear(silu_multiply(linear(h_BLD, w[kW1]), linear(h_BLD, w[kW3])), w[kW2], {}, &leaves);
  return add_gated_rms_norm(y_BLD, h_BLD, w[kFfnNorm2].data, eps_, m.gate_ffn);
}

}  // namespace gesso::z_image
