// The decoder of image-to-LoRA v1: for A and for B of each target, a narrow and a wide projection.
#pragma once

#include "image2lora/decoder.hpp"

namespace gesso::image2lora {

/// A = P_a(x) as [rank, in], B = P_b(x) as [out, rank]; P: Linear to the inner width, then Linear,
/// without bias or activation. Updates of n pictures are joined on the rank axis, A times 1 / n:
/// the mean of their n updates, of rank n * `rank`.
///
/// Source: DiffSynth-Studio, models/z_image_image2lora.py, utils/lora/merge.py.
class PairDecoder : public Decoder {
 public:
  /// `config.rank` (4) from config.json; the rest from the weights.
  /// @throws Error  NotFound naming a missing weight; Incompatible for sizes that do not agree
  explicit PairDecoder(const Setup& setup);
  LowRank decode(const Call& call, size_t index, const at::Tensor& x_NE) override;
  size_t pictures_used(size_t given) const override { return given; }
};

}  // namespace gesso::image2lora
