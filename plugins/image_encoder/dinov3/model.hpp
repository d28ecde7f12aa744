// DINOv3: a class token, register tokens and the patches of a square picture.
#pragma once

#include "image_encoder/component.hpp"
#include "layer.hpp"

namespace gesso::dinov3 {

/// byte / 255, resized to a square in float32, then ImageNet's mean and deviation.
struct Frame : image_encoder::SquareFrame {
  int64_t prefix = 0;  // tokens before the patches: class and registers

  /// The side from config.json, else 224 pixels; the other sizes from the weights.
  /// @throws Error  InvalidArgument for a side that is no multiple of the patch
  static Frame read(const Setup& setup);
  at::Tensor preprocess(const at::Tensor& bytes_3HW) const;
  int64_t tokens(image_encoder::Size) const { return prefix + patches(); }
};

class Model {
 public:
  Model(const Setup& setup, const Frame& frame);
  /// @param values_3SS  pixel values of each picture
  /// @return            the class token [D] of each after the last norm, in the type of the weights
  std::vector<at::Tensor> encode(const Call& call, const std::vector<at::Tensor>& values_3SS);
  gesso_estimate_t estimate(int64_t tokens) const {
    return image_encoder::estimate_picture(config_, tokens, 3);
  }

 private:
  std::vector<at::Tensor> embed(const Call& call, const std::vector<at::Tensor>& values_3SS);

  Config config_;
  nn::Rotary rotary_;  // every picture has the same grid
  nn::WeightUnit embeddings_;
  std::vector<Layer> layers_;
  nn::WeightUnit norm_;
};

}  // namespace gesso::dinov3
