// What training of a codec minimises: a picture through both halves and back.
//
//   loss = mean (y - x)^2 + edge mean (grad y - grad x)^2 + kl KL(posterior | N(0, 1))
//
// y: the decoder's picture of a draw from the encoder's posterior; grad: differences of neighbours
// along both sides; KL: mean over the numbers of the scaled latents. Pictures in [-1, 1].
#pragma once

#include "runtime/training/taped_run.hpp"

namespace gesso::runtime {

struct ReconstructionWeights {
  double edge = 0, kl = 0;
};

/// One picture. Gradients are closed formulas here and backward runs of the codec.
/// @param pixels   [3, H, W]
/// @param noise    [C, h, w]: of the draw
/// @param weights  gets the gradients of parameters; null: only the loss is computed
/// @param scale    of gradients, not of the value that is returned
/// @throws Error   NotSupported for a codec that cannot be trained
double reconstruction_loss(const Instance& codec, const CallScope& call, const at::Tensor& pixels,
                           const at::Tensor& noise, const ReconstructionWeights& weight,
                           int32_t checkpoint, double scale, const gesso_grad_sink_t* weights);

}  // namespace gesso::runtime
