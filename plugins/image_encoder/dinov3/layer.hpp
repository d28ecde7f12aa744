// A layer of DINOv3: pre-norm, rotary attention, gated feed-forward, a scale per channel after
// each.
#pragma once

#include "image_encoder/layers.hpp"
#include "nn/rotary.hpp"

namespace gesso::dinov3 {

struct Config : image_encoder::Shape {
  int64_t registers;
  double eps, rope_theta;
  bool bf16_frequencies;  // `rope_inv_freq = "bf16"`
};

class Layer {
 public:
  Layer(const Weights& weights, int64_t index, const Config& config);

  class Scope {
   public:
    Scope(Layer& layer, const Call& call) : config_(layer.config_), w_(layer.unit_.enter(call)) {}
    /// Moves one picture through the layer, in place. @param x_LD its tokens
    void forward(at::Tensor& x_LD, const nn::Rotary& rotary, int64_t item) const;

   private:
    at::Tensor attend(const at::Tensor& x_LD, const nn::Rotary& rotary, int64_t item) const;
    at::Tensor feed_forward(const at::Tensor& x_LD, int64_t item) const;
    const Config& config_;
    nn::WeightUnit::Scope w_;
  };
  Scope enter(const Call& call) { return Scope(*this, call); }
  void prefetch() const { unit_.prefetch(); }

 private:
  Config config_;
  nn::WeightUnit unit_;
};

}  // namespace gesso::dinov3
