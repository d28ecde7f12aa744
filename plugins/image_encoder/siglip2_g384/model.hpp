// SigLIP2-G384: 24 x 24 patches of a square picture, pooled by one attention query.
#pragma once

#include "image_encoder/component.hpp"
#include "image_encoder/siglip.hpp"

namespace gesso::siglip2_g384 {

/// Bytes resized to a square, then (byte - 127.5) / 127.5.
struct Frame : image_encoder::SquareFrame {
  /// The side from the weights, else from config.json, else 384 pixels.
  static Frame read(const Setup& setup);
  at::Tensor preprocess(const at::Tensor& bytes_3HW) const;
  int64_t tokens(image_encoder::Size) const { return patches(); }
};

class Model {
 public:
  Model(const Setup& setup, const Frame& frame);
  /// @param values_3SS  pixel values of each picture
  /// @return            the pooled vector [D] of each, in the type of the weights
  std::vector<at::Tensor> encode(const Call& call, const std::vector<at::Tensor>& values_3SS);
  gesso_estimate_t estimate(int64_t tokens) const {
    return image_encoder::estimate_picture(config_, tokens, 2);
  }

 private:
  std::vector<at::Tensor> embed(const Call& call, const std::vector<at::Tensor>& values_3SS);
  std::vector<at::Tensor> pool(const Call& call, const std::vector<at::Tensor>& states_LD);

  image_encoder::SiglipConfig config_;
  nn::WeightUnit embeddings_;
  image_encoder::SiglipStack stack_;
  nn::WeightUnit head_;
};

}  // namespace gesso::siglip2_g384
