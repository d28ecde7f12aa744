// The layers of a SigLIP vision model: pre-norm, biases everywhere, gelu.
#pragma once

#include <vector>

#include "image_encoder/layers.hpp"

namespace gesso::image_encoder {

struct SiglipConfig : Shape {
  double eps;
};

/// Width, feed-forward and layers from the weights; heads and eps from config.json.
/// @throws Error  NotFound naming a missing weight; InvalidArgument for values
SiglipConfig read_siglip_config(const Setup& setup, int64_t patch);

/// fc1, gelu, fc2. `first`: place of fc1's weight in the unit; its bias, fc2's weight and bias
/// follow.
at::Tensor siglip_mlp(const at::Tensor& x_LD, const nn::WeightUnit::Scope& w, uint32_t first,
                      int64_t item);

class SiglipLayer {
 public:
  SiglipLayer(const Weights& weights, int64_t index, const SiglipConfig& config);

  class Scope {
   public:
    Scope(SiglipLayer& layer, const Call& call)
        : config_(layer.config_), w_(layer.unit_.enter(call)) {}
    /// Moves one picture through the layer, in place. @param x_LD its tokens
    void forward(at::Tensor& x_LD, int64_t item) const;

   private:
    at::Tensor attend(const at::Tensor& x_LD, int64_t item) const;
    const SiglipConfig& config_;
    nn::WeightUnit::Scope w_;
  };
  Scope enter(const Call& call) { return Scope(*this, call); }
  void prefetch() const { unit_.prefetch(); }

 private:
  SiglipConfig config_;
  nn::WeightUnit unit_;
};

/// All layers, one after another, and inside each one picture after another.
class SiglipStack {
 public:
  SiglipStack(const Weights& weights, const SiglipConfig& config);
  /// @param states_LD  the tokens of each picture; changed in place
  void forward(const Call& call, std::vector<at::Tensor>& states_LD);

 private:
  std::vector<SiglipLayer> layers_;
};

}  // namespace gesso::image_encoder
