// The decoder of image-to-LoRA v2: learned A0 and B of each target, mixed by a small matrix that
// one projection makes of the picture.
#pragma once

#include "image2lora/decoder.hpp"

namespace gesso::image2lora {

/// A = P(x) as [rank, rank] times A0 [rank, in], B = B0 [out, rank]; P: one Linear with bias. Only
/// the first picture is used.
///
/// Source: DiffSynth-Studio, models/z_image_image2lora.py, class ZImageImage2LoRAModelCompressed.
class CompressedDecoder : public Decoder {
 public:
  /// @throws Error  NotFound naming a missing weight; Incompatible for sizes that do not agree
  explicit CompressedDecoder(const Setup& setup);
  LowRank decode(const Call& call, size_t index, const at::Tensor& x_NE) override;
  LowRank train(const Call& call, torch::Leaves& leaves, size_t index,
                const at::Tensor& x_NE) override;
  size_t pictures_used(size_t) const override { return 1; }
};

}  // namespace gesso::image2lora
