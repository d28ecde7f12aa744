// The FLUX autoencoder: pictures and latents, one at a time.
//
// Its sizes come from the weights; scaling_factor, shift_factor and norm_num_groups from the
// config.json beside them. A file may hold only the half that is used.
#pragma once

#include <memory>
#include <vector>

#include "blocks.hpp"
#include "gesso/cpp/training.hpp"

namespace gesso::torch {
class Trace;  // gesso/cpp/training_torch.hpp
}

namespace gesso::flux_vae {

struct Config {
  int64_t latent_channels, norm_num_groups;
  double scaling_factor, shift_factor;
  int64_t pixels_per_cell;
};

class Vae {
 public:
  /// @throws Error  NotFound when the file has neither half, or a weight is missing
  explicit Vae(const Setup& setup);
  const Config& config() const { return config_; }
  bool encodes() const { return !encoder_.empty(); }
  bool decodes() const { return !decoder_.empty(); }

  /// @param pixels_3HW   in [-1, 1]; sides are multiples of `pixels_per_cell`
  /// @return             [C, h, w]: mean of the posterior, shifted and scaled; float32
  at::Tensor encode(const Call& call, const at::Tensor& pixels_3HW);
  /// @return             [3, H, W], about [-1, 1]; float32
  at::Tensor decode(const Call& call, const at::Tensor& latents_Chw);

  /// "posterior" of one picture, or "decode" of one latent, traced for training: results go to
  /// `outputs` as item `index`.
  void train_posterior(const Call& call, torch::Trace& trace, int32_t index,
                       const at::Tensor& pixels_3HW, Outputs& outputs);
  void train_decode(const Call& call, torch::Trace& trace, int32_t index,
                    const at::Tensor& latents_Chw, Outputs& outputs);

  /// Work of one picture of `height` x `width` input cells.
  gesso_estimate_t estimate(bool encoding, int64_t height, int64_t width) const;

 private:
  using Blocks = std::vector<std::unique_ptr<Block>>;
  Blocks encoder_blocks(const Weights& weights);
  Blocks decoder_blocks(const Weights& weights);
  void add_middle(Blocks& blocks, const Weights& weights, const std::string& name);
  void add_levels(Blocks& blocks, const Weights& weights, const std::string& prefix);

  Config config_{};
  Blocks encoder_, decoder_;
};

}  // namespace gesso::flux_vae
