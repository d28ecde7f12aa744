// L: tokens, D: width, H: heads, K: numbers of a head, C: width of the embedded timestep.
#include "z_image/block.hpp"

#include "nn/activation.hpp"
#include "nn/attention.hpp"
#include "nn/linear.hpp"
#include "nn/norm.hpp"
#include "z_image/block_weights.hpp"

namespace gesso::z_image {
namespace {

/// A run of rows and its scales and gates; all undefined (1) where the block is not modulated.
struct ModulatedRows {
  int64_t begin, rows;
  at::Tensor scale_attention, gate_attention, scale_ffn, gate_ffn;
};

std::vector<ModulatedRows> modulate(const nn::WeightUnit::Scope& w, const RowConditions& conditions,
                                    int64_t length, int64_t item) {
  std::vector<std::vector<at::Tensor>> parts;
  for (const at::Tensor& condition_1C : conditions.conditions_1C) {
    parts.push_back(
        nn::linear(condition_1C, w[kModulation], w[kModulationBias].data, item).flatten().chunk(4));
  }
  std::vector<ModulatedRows> list;
  int64_t begin = 0;
  const std::vector<RowConditions::Run> all{{length, 0}};
  for (const auto& run : conditions.runs.empty() ? all : conditions.runs) {
    const auto& m = parts[run.condition];
    list.push_back({begin, run.rows, m[0].add(1), m[1].tanh(), m[2].add(1), m[3].tanh()});
    begin += run.rows;
  }
  return list;
}

using Part = at::Tensor ModulatedRows::*;

at::Tensor norm(const at::Tensor& x_LD, const at::Tensor& weight, double eps,
                const std::vector<ModulatedRows>& runs, Part scale) {
  if (runs.size() == 1) return nn::rms_norm(x_LD, weight, eps, runs[0].*scale);
  const at::Tensor y_LD = nn::rms_norm(x_LD, weight, eps);
  for (const auto& run : runs) y_LD.narrow(0, run.begin, run.rows).mul_(run.*scale);
  return y_LD;
}

void add_gated_norm_(at::Tensor& x_LD, const at::Tensor& y_LD, const at::Tensor& weight, double eps,
                     const std::vector<ModulatedRows>& runs, Part gate) {
  for (const auto& run : runs) {
    at::Tensor rows = x_LD.narrow(0, run.begin, run.rows);
    nn::add_gated_rms_norm_(rows, y_LD.narrow(0, run.begin, run.rows), weight, eps, run.*gate);
  }
}

}  // namespace

std::vector<nn::WeightSpec> block_weights(const std::string& p, const DitConfig& c,
                                          bool modulated) {
  std::vector<nn::WeightSpec> specs{
      nn::matrix(p + ".attention.to_q.weight", c.dim, c.dim),
      nn::matrix(p + ".attention.to_k.weight", c.dim, c.dim),
      nn::matrix(p + ".attention.to_v.weight", c.dim, c.dim),
      nn::matrix(p + ".attention.to_out.0.weight", c.dim, c.dim),
      {p + ".attention.norm_q.weight", {c.head_dim}},
      {p + ".attention.norm_k.weight", {c.head_dim}},
      nn::matrix(p + ".feed_forward.w1.weight", c.ffn_dim, c.dim),
      nn::matrix(p + ".feed_forward.w2.weight", c.dim, c.ffn_dim),
      nn::matrix(p + ".feed_forward.w3.weight", c.ffn_dim, c.dim),
      {p + ".attention_norm1.weight", {c.dim}},
      {p + ".attention_norm2.weight", {c.dim}},
      {p + ".ffn_norm1.weight", {c.dim}},
      {p + ".ffn_norm2.weight", {c.dim}},
  };
  if (modulated) {
    specs.push_back({p + ".adaLN_modulation.0.weight", {4 * c.dim, c.condition_dim}});
    specs.push_back({p + ".adaLN_modulation.0.bias", {4 * c.dim}});
  }
  return specs;
}

Block::Block(const Weights& weights, const std::string& name, const DitConfig& config,
             bool modulated)
    : unit_(weights, name, block_weights(name, config, modulated)),
      head_dim_(config.head_dim),
      eps_(config.norm_eps),
      modulated_(modulated) {}

void Block::Scope::forward(at::Tensor& x_LD, const nn::Rotary& rotary,
                           const RowConditions& conditions, int64_t item) const {
  const double eps = block_.eps_;
  const int64_t length = x_LD.size(0);
  const auto runs = block_.modulated_ ? modulate(w_, conditions, length, item)
                                      : std::vector<ModulatedRows>{{0, length, {}, {}, {}, {}}};

  at::Tensor h_LD =
      norm(x_LD, w_[kAttentionNorm1].data, eps, runs, &ModulatedRows::scale_attention);
  h_LD = attend(h_LD, rotary, item);
  add_gated_norm_(x_LD, h_LD, w_[kAttentionNorm2].data, eps, runs, &ModulatedRows::gate_attention);

  h_LD = norm(x_LD, w_[kFfnNorm1].data, eps, runs, &ModulatedRows::scale_ffn);
  h_LD = feed_forward(h_LD, item);
  add_gated_norm_(x_LD, h_LD, w_[kFfnNorm2].data, eps, runs, &ModulatedRows::gate_ffn);
}

at::Tensor Block::Scope::attend(const at::Tensor& x_LD, const nn::Rotary& rotary,
                                int64_t item) const {
  const auto heads = [&](uint32_t place) {
    return nn::linear(x_LD, w_[place], {}, item).unflatten(-1, {-1, block_.head_dim_});
  };
  at::Tensor q_LHK = heads(kToQ), k_LHK = heads(kToK);
  const at::Tensor v_LHK = heads(kToV);
  nn::head_norm_rotate_(q_LHK, w_[kNormQ].data, block_.eps_, rotary);
  nn::head_norm_rotate_(k_LHK, w_[kNormK].data, block_.eps_, rotary);
  return nn::linear(nn::attention(q_LHK, k_LHK, v_LHK), w_[kToOut], {}, item);
}

at::Tensor Block::Scope::feed_forward(const at::Tensor& x_LD, int64_t item) const {
  at::Tensor gate = nn::linear(x_LD, w_[kW1], {}, item);
  nn::silu_multiply_(gate, nn::linear(x_LD, w_[kW3], {}, item));
  return nn::linear(gate, w_[kW2], {}, item);
}

std::vector<Block> make_blocks(const Weights& weights, const std::string& name,
                               const DitConfig& config, int64_t count, bool modulated) {
  std::vector<Block> blocks;
  for (int64_t i = 0; i < count; ++i) {
    blocks.emplace_back(weights, name + "." + std::to_string(i), config, modulated);
  }
  return blocks;
}

}  // namespace gesso::z_image
