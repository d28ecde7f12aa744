// L: patches, P: values of a patch, D: width.
#include "model.hpp"

#include <ATen/ops/_upsample_bilinear2d_aa.h>

#include <cmath>
#include <optional>

#include "nn/linear.hpp"

namespace gesso::siglip2_428m {
namespace {

enum : uint32_t { kPatch, kPatchBias, kPositions };  // of the embeddings
enum : uint32_t { kNorm, kNormBias };

constexpr const char* kPositionsName = "embeddings.position_embedding.weight";

/// The square of positions, resized in float32 to one per patch.
at::Tensor positions_of(const at::Tensor& positions_ND, int64_t side,
                        const Frame::Values& picture) {
  const at::Tensor square_1Dss =
      positions_ND.to(at::kFloat).unflatten(0, {side, side}).permute({2, 0, 1}).unsqueeze(0);
  return at::_upsample_bilinear2d_aa(square_1Dss, {picture.rows, picture.columns},
                                     /*align_corners=*/false, std::nullopt, std::nullopt)
      .squeeze(0)
      .flatten(1)
      .t()
      .to(positions_ND.scalar_type());
}

}  // namespace

Model::Model(const Setup& setup, const Frame& frame)
    : config_(image_encoder::read_siglip_config(setup, frame.patch)),
      positions_per_side_(std::llround(
          std::sqrt(static_cast<double>(setup.weights.describe(kPositionsName).shape.at(0))))),
      embeddings_(
          setup.weights, "embeddings",
          {{"embeddings.patch_embedding.weight", {config_.hidden, 3 * frame.patch * frame.patch}},
           {"embeddings.patch_embedding.bias", {config_.hidden}},
           {kPositionsName,
            {positions_per_side_ * positions_per_side_, config_.hidden},
            GESSO_WEIGHT_BUFFER}}),
      stack_(setup.weights, config_),
      norm_(setup.weights, "post_layernorm",
            {{"post_layernorm.weight", {config_.hidden}},
             {"post_layernorm.bias", {config_.hidden}}}) {}

std::vector<at::Tensor> Model::encode(const Call& call,
                                      const std::vector<Frame::Values>& pictures) {
  std::vector<at::Tensor> states_LD = embed(call, pictures);
  stack_.forward(call, states_LD);
  const auto w = norm_.enter(call);
  for (size_t i = 0; i < states_LD.size(); ++i) {
    states_LD[i] = image_encoder::layer_norm(states_LD[i], w[kNorm], w[kNormBias], config_.eps)
                       .unflatten(0, {pictures[i].rows, pictures[i].columns});
  }
  return states_LD;
}

std::vector<at::Tensor> Model::embed(const Call& call, const std::vector<Frame::Values>& pictures) {
  const auto w = embeddings_.enter(call);
  std::vector<at::Tensor> states_LD;
  for (size_t i = 0; i < pictures.size(); ++i) {
    const at::Tensor patches_LP = pictures[i].patches_LP.to(w[kPatch].data.scalar_type());
    at::Tensor x_LD =
        nn::linear(patches_LP, w[kPatch], w[kPatchBias].data, static_cast<int64_t>(i));
    x_LD.add_(positions_of(w[kPositions].data, positions_per_side_, pictures[i]));
    states_LD.push_back(std::move(x_LD));
  }
  return states_LD;
}

}  // namespace gesso::siglip2_428m
