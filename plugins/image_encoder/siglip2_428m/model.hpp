// SigLIP 2 NaFlex: patches in the shape of the picture, with positions stretched to it.
#pragma once

#include "frame.hpp"
#include "image_encoder/siglip.hpp"

namespace gesso::siglip2_428m {

class Model {
 public:
  /// @throws Error  NotFound naming a missing weight; Incompatible for another patch size
  Model(const Setup& setup, const Frame& frame);
  /// The states after the last norm, before the pooling head. Padding is neither computed nor
  /// masked: the reference hides it from every patch, so the map is the same.
  /// @return  [rows, columns, D] of each picture, in the type of the weights
  std::vector<at::Tensor> encode(const Call& call, const std::vector<Frame::Values>& pictures);
  gesso_estimate_t estimate(int64_t tokens) const {
    return image_encoder::estimate_picture(config_, tokens, 2);
  }

 private:
  std::vector<at::Tensor> embed(const Call& call, const std::vector<Frame::Values>& pictures);

  image_encoder::SiglipConfig config_;
  int64_t positions_per_side_;
  nn::WeightUnit embeddings_;
  image_encoder::SiglipStack stack_;
  nn::WeightUnit norm_;
};

}  // namespace gesso::siglip2_428m
