#include "runtime/training/reconstruction.hpp"

#include "gesso/ext/codec_training.h"
#include "gesso/kind/text_encoder.h"

namespace gesso::runtime {
namespace {

/// Adds mean (d difference along `axis`)^2 times `factor` to a loss and its gradient.
double add_edges(const at::Tensor& difference, int64_t axis, double factor, at::Tensor& grad) {
  const int64_t last = difference.size(axis) - 1;
  if (last < 1) return 0;
  const at::Tensor step = difference.narrow(axis, 1, last).sub(difference.narrow(axis, 0, last));
  const at::Tensor share = step.mul(2 * factor / static_cast<double>(step.numel()));
  grad.narrow(axis, 1, last).add_(share);
  grad.narrow(axis, 0, last).sub_(share);
  return factor * step.square().mean().item<double>();
}

}  // namespace

double reconstruction_loss(const Instance& codec, const CallScope& call, const at::Tensor& pixels,
                           const at::Tensor& noise, const ReconstructionWeights& weight,
                           int32_t checkpoint, double scale, const gesso_grad_sink_t* weights) {
  const std::string& id = codec.plan().info->id;
  TapedRun encoder(codec, GESSO_OP_POSTERIOR);
  encoder.feed(GESSO_PORT_PIXELS, {pixels});
  auto posterior = encoder.forward(call, {}, checkpoint);
  const at::Tensor mean = take(posterior, GESSO_PORT_LATENTS, 1, id).front().to(at::kFloat);
  const at::Tensor log_variance =
      take(posterior, GESSO_PORT_LOG_VARIANCE, 1, id).front().to(at::kFloat);
  const at::Tensor deviation = log_variance.mul(0.5).exp();

  TapedRun decoder(codec, GESSO_OP_DECODE);
  decoder.feed(GESSO_PORT_LATENTS, {mean.add(deviation.mul(noise))}).want(GESSO_PORT_LATENTS);
  auto made = decoder.forward(call, {}, checkpoint);
  const at::Tensor difference = take(made, GESSO_PORT_PIXELS, 1, id).front().sub(pixels);

  at::Tensor grad = difference.mul(2 / static_cast<double>(difference.numel()));
  double loss = difference.square().mean().item<double>();
  for (const int64_t axis : {1, 2}) loss += add_edges(difference, axis, weight.edge, grad);
  const at::Tensor variance = log_variance.exp();
  const at::Tensor kl = mean.square().add(variance).sub(1).sub(log_variance).mul(0.5);
  loss += weight.kl * kl.mean().item<double>();
  if (!weights) return loss;

  auto through = decoder.backward(call, {{GESSO_PORT_PIXELS, {grad.mul(scale)}}}, weights);
  const at::Tensor of_draw = through[GESSO_PORT_LATENTS].at(0).to(at::kFloat);
  const double share = scale * weight.kl / static_cast<double>(kl.numel());
  const at::Tensor of_mean = of_draw.add(mean.mul(share));
  const at::Tensor of_log_variance =
      of_draw.mul(noise).mul(deviation).mul(0.5).add(variance.sub(1).mul(0.5 * share));
  encoder.backward(call,
                   {{GESSO_PORT_LATENTS, {of_mean}}, {GESSO_PORT_LOG_VARIANCE, {of_log_variance}}},
                   weights);
  return loss;
}

}  // namespace gesso::runtime
