// Both halves traced for training, block by block.
#include <cmath>

#include "gesso/cpp/training_torch.hpp"
#include "gesso/ext/codec_training.h"
#include "vae.hpp"

namespace gesso::flux_vae {
namespace {

using torch::Leaves;
using torch::Trace;
using torch::Value;
using Tensors = Trace::Tensors;

constexpr double kLeast = -30, kMost = 20;  // of log variances (diffusers, DiagonalGaussian)

/// A function without weights.
template <class Function>
Value apply(const Call& call, Trace& trace, const Value& x, const Function& function) {
  return trace
      .piece(call, {x},
             [function](const Call&, Leaves&, const Tensors& in) -> Tensors {
               return {function(in[0])};
             })
      .front();
}

Value run(const Call& call, Trace& trace, const std::vector<std::unique_ptr<Block>>& blocks,
          Value x) {
  for (const auto& block : blocks) {
    x = trace
            .piece(call, {x},
                   [b = block.get()](const Call& c, Leaves& leaves, const Tensors& in) -> Tensors {
                     return {b->train(c, leaves, in[0])};
                   })
            .front();
  }
  return x;
}

}  // namespace

void Vae::train_posterior(const Call& call, Trace& trace, int32_t index,
                          const at::Tensor& pixels_3HW, Outputs& outputs) {
  const Value pixels = trace.input(GESSO_PORT_PIXELS, index, pixels_3HW);
  const Value batch =
      apply(call, trace, pixels, [](const at::Tensor& x) { return x.unsqueeze(0); });
  const Value moments = run(call, trace, encoder_, batch);
  const Config c = config_;
  const Value mean = apply(call, trace, moments, [c](const at::Tensor& m_1CHW) {
    const at::Tensor mean_CHW = m_1CHW.squeeze(0).narrow(0, 0, c.latent_channels).to(at::kFloat);
    return mean_CHW.sub(c.shift_factor).mul(c.scaling_factor);
  });
  const Value log_variance = apply(call, trace, moments, [c](const at::Tensor& m_1CHW) {
    const int64_t n = c.latent_channels;
    const at::Tensor own_CHW = m_1CHW.squeeze(0).narrow(0, n, n).to(at::kFloat);
    return own_CHW.clamp(kLeast, kMost).add(2 * std::log(c.scaling_factor));
  });
  trace.output(GESSO_PORT_LATENTS, index, mean, outputs);
  trace.output(GESSO_PORT_LOG_VARIANCE, index, log_variance, outputs);
}

void Vae::train_decode(const Call& call, Trace& trace, int32_t index, const at::Tensor& latents_Chw,
                       Outputs& outputs) {
  const Value latents = trace.input(GESSO_PORT_LATENTS, index, latents_Chw);
  const Config c = config_;
  const Value z = apply(call, trace, latents, [c](const at::Tensor& x) {
    return x.to(at::kFloat).div(c.scaling_factor).add(c.shift_factor).unsqueeze(0);
  });
  const Value pixels = apply(call, trace, run(call, trace, decoder_, z),
                             [](const at::Tensor& x) { return x.squeeze(0).to(at::kFloat); });
  trace.output(GESSO_PORT_PIXELS, index, pixels, outputs);
}

}  // namespace gesso::flux_vae
