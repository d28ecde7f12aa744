// The blocks of the FLUX autoencoder. Each declares one unit of weights.
#pragma once

#include <memory>

#include "nn/weight_unit.hpp"

namespace gesso::torch {
class Leaves;  // gesso/cpp/training_torch.hpp
}

namespace gesso::flux_vae {

/// One step of encoder or decoder: a picture of features in, another out.
class Block {
 public:
  virtual ~Block() = default;
  /// @param x_BCHW  any float type; the result has the one of `nn::convolution_type`
  virtual at::Tensor forward(const Call& call, at::Tensor x_BCHW) = 0;
  /// The same as a differentiable function.
  virtual at::Tensor train(const Call& call, torch::Leaves& leaves, const at::Tensor& x_BCHW) = 0;

  struct Work {
    uint64_t flops = 0;
    uint64_t elements = 0;  ///< of the picture that it leaves
  };
  /// Work at a picture of `height` x `width`, which become those of the result.
  virtual Work work(int64_t& height, int64_t& width) const = 0;
};

/// Convolution 3x3, same size. Weights `name.weight`, `name.bias`.
std::unique_ptr<Block> convolution(const Weights& weights, const std::string& name);
/// Pads right and bottom by one, convolution 3x3 with stride 2. Weights `name.conv.*`.
std::unique_ptr<Block> downsample(const Weights& weights, const std::string& name);
/// Doubles each cell along both sides, convolution 3x3. Weights `name.conv.*`.
std::unique_ptr<Block> upsample(const Weights& weights, const std::string& name);
/// x + conv(silu(norm(conv(silu(norm(x)))))), with a 1x1 convolution of x where the width changes.
std::unique_ptr<Block> residual(const Weights& weights, const std::string& name, int64_t groups);
/// x + attention of one head over all cells.
std::unique_ptr<Block> attention(const Weights& weights, const std::string& name, int64_t groups);
/// Norm `name_norm_out`, silu, convolution `name_out`: the end of encoder and decoder.
std::unique_ptr<Block> output(const Weights& weights, const std::string& name, int64_t groups);

}  // namespace gesso::flux_vae
