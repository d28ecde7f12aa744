// L: tokens, D: width, S: side of the picture in pixels.
#include "model.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/meshgrid.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <array>
#include <numbers>

#include "nn/linear.hpp"

namespace gesso::dinov3 {
namespace {

enum : uint32_t { kClass, kRegisters, kPatch, kPatchBias };  // of the embeddings
enum : uint32_t { kNorm, kNormBias };

constexpr const char* kPatchName = "embeddings.patch_embeddings.weight";
constexpr const char* kRegistersName = "embeddings.register_tokens";

Config read_config(const Setup& setup, const Frame& frame) {
  const auto gate = setup.weights.describe("layer.0.mlp.gate_proj.weight");
  Config c{};
  c.hidden = gate.shape.at(1);
  c.ffn_dim = gate.shape.at(0);
  c.layers = image_encoder::count_layers(setup.weights, "layer.", ".mlp.gate_proj.weight");
  c.heads = setup.values.integer("config.num_attention_heads", 32);
  c.patch = frame.patch;
  c.registers = frame.prefix - 1;
  c.eps = setup.values.real("config.layer_norm_eps", 1e-5);
  c.rope_theta = setup.values.real("config.rope_theta", 100);
  c.bf16_frequencies = nn::bf16_frequencies(setup.values);
  image_encoder::check_heads(c.hidden, c.heads);
  if (c.head_dim() % 4 != 0) {
    throw Error(Status::InvalidArgument, "the width of a head is " + std::to_string(c.head_dim()) +
                                             ", expected a multiple of 4: pairs for two axes");
  }
  return c;
}

/// Angles of class and registers (none: these are not turned), then of the patches, whose centres
/// lie in [-1, 1]; the first half of the frequencies turns by the row, the second by the column.
nn::Rotary rotary_of(int64_t patches_per_side, const Config& c) {
  const int64_t quarter = c.head_dim() / 4, prefix = 1 + c.registers;
  const at::Tensor exponent =
      at::arange(quarter, at::kFloat).mul(4.0 / static_cast<double>(c.head_dim()));
  const at::Tensor frequency = nn::inverse_frequencies(exponent, c.rope_theta, c.bf16_frequencies);
  const at::Tensor centre = at::arange(patches_per_side, at::kFloat)
                                .add(0.5)
                                .div(static_cast<double>(patches_per_side))
                                .mul(2)
                                .sub(1);
  const auto rows_columns = at::meshgrid({centre, centre}, "ij");
  const at::Tensor turns = at::stack(rows_columns, -1).flatten(0, 1).mul(2 * std::numbers::pi);
  const at::Tensor angle = turns.unsqueeze(2).mul(frequency).flatten(1);
  return {at::cat({at::ones({prefix, 2 * quarter}), angle.cos()}),
          at::cat({at::zeros({prefix, 2 * quarter}), angle.sin()})};
}

std::vector<nn::WeightSpec> embedding_weights(const Config& c) {
  return {{"embeddings.cls_token", {1, 1, c.hidden}},
          {kRegistersName, {1, c.registers, c.hidden}},
          {kPatchName, {c.hidden, 3, c.patch, c.patch}},
          {"embeddings.patch_embeddings.bias", {c.hidden}}};
}

}  // namespace

Frame Frame::read(const Setup& setup) {
  Frame frame;
  frame.side = setup.values.integer("config.image_size", 224);
  frame.patch = setup.values.integer("config.patch_size", 16);
  frame.prefix = 1 + setup.values.integer("config.num_register_tokens", 4);
  if (setup.weights) {
    frame.patch = setup.weights.describe(kPatchName).shape.at(2);
    frame.prefix = 1 + setup.weights.describe(kRegistersName).shape.at(1);
  }
  if (frame.side < frame.patch || frame.side % frame.patch != 0) {
    throw Error(Status::InvalidArgument, "image_size: expected a multiple of the patch size " +
                                             std::to_string(frame.patch) + ", found " +
                                             std::to_string(frame.side));
  }
  return frame;
}

at::Tensor Frame::preprocess(const at::Tensor& bytes_3HW) const {
  constexpr std::array<double, 3> kMean{0.485, 0.456, 0.406}, kDeviation{0.229, 0.224, 0.225};
  const at::Tensor scaled = bytes_3HW.to(at::kFloat).mul(1.0 / 255);
  return image_encoder::normalise(image_encoder::resize(scaled, {side, side}), kMean, kDeviation);
}

Model::Model(const Setup& setup, const Frame& frame)
    : config_(read_config(setup, frame)),
      rotary_(rotary_of(frame.side / frame.patch, config_)),
      embeddings_(setup.weights, "embeddings", embedding_weights(config_)) {
  for (int64_t i = 0; i < config_.layers; ++i) layers_.emplace_back(setup.weights, i, config_);
  norm_ = nn::WeightUnit(setup.weights, "norm",
                         {{"norm.weight", {config_.hidden}}, {"norm.bias", {config_.hidden}}});
}

std::vector<at::Tensor> Model::encode(const Call& call, const std::vector<at::Tensor>& values_3SS) {
  std::vector<at::Tensor> states_LD = embed(call, values_3SS);
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (i + 1 < layers_.size()) layers_[i + 1].prefetch();
    const auto layer = layers_[i].enter(call);
    for (size_t k = 0; k < states_LD.size(); ++k) {
      layer.forward(states_LD[k], rotary_, static_cast<int64_t>(k));
    }
  }
  const auto w = norm_.enter(call);
  std::vector<at::Tensor> class_D;
  for (const at::Tensor& state : states_LD) {
    class_D.push_back(image_encoder::layer_norm(state[0], w[kNorm], w[kNormBias], config_.eps));
  }
  return class_D;
}

std::vector<at::Tensor> Model::embed(const Call& call, const std::vector<at::Tensor>& values_3SS) {
  const auto w = embeddings_.enter(call);
  const nn::Weight kernel{w[kPatch].data.flatten(1), {}};
  std::vector<at::Tensor> states_LD;
  for (const at::Tensor& values : values_3SS) {
    const at::Tensor patches =
        image_encoder::patches_channel_first(values, config_.patch).to(kernel.data.scalar_type());
    states_LD.push_back(at::cat({w[kClass].data[0], w[kRegisters].data[0],
                                 nn::linear(patches, kernel, w[kPatchBias].data)}));
  }
  return states_LD;
}

}  // namespace gesso::dinov3
