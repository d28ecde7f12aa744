#include "runtime/denoising.hpp"

#include <ATen/ops/full.h>
#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <algorithm>

#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "runtime/operation_run.hpp"
#include "runtime/sampling.hpp"

namespace gesso::runtime {
namespace {

constexpr size_t kPicturesAtATime = 32;  // both sides of guidance: items of the batch are a mask

/// The inputs of one run of the denoiser for the pictures [begin, end).
OperationRun operation(const Run& run, const Conditioning& conditioning,
                       const std::vector<at::Tensor>& latents, size_t begin, size_t end,
                       double timestep, bool positive, bool negative) {
  std::vector<at::Tensor> inputs, text, segments;
  const auto add = [&](const TextSide& side) {
    for (size_t i = begin; i < end; ++i) {
      inputs.push_back(latents[i]);
      text.push_back(side.text[i]);
      if (!side.segments.empty()) segments.push_back(side.segments[i]);
    }
  };
  if (positive) add(conditioning.positive);
  if (negative) add(conditioning.negative);
  OperationRun made(run.parts.get("denoiser").component(), GESSO_OP_DENOISE);
  made.feed(GESSO_PORT_LATENTS, inputs)
      .feed_whole(GESSO_PORT_TIMESTEP, at::full({static_cast<int64_t>(inputs.size())}, timestep,
                                                at::TensorOptions(at::kFloat)))
      .feed(GESSO_PORT_TEXT, text);
  if (!segments.empty() && made.has_input(GESSO_PORT_TEXT_SEGMENTS)) {
    made.feed(GESSO_PORT_TEXT_SEGMENTS, segments);
  }
  if (!conditioning.image_latents.empty()) {
    made.feed(GESSO_PORT_IMAGE_LATENTS, conditioning.image_latents);
  }
  if (!conditioning.image_features.empty()) {
    made.feed(GESSO_PORT_IMAGE_FEATURES, conditioning.image_features);
  }
  return made;
}

/// Guidance ends where the picture is clean enough, as diffusers' cfg_truncation.
bool is_truncated(const GenerateRequest& request, double timestep) {
  return (1000 - timestep) / 1000 > request.cfg_truncation;
}

Event step_event(size_t done, size_t total, double seconds_left) {
  Event event;
  event.type = Event::Step;
  event.stage = "denoise";
  event.step = done;
  event.total = total;
  event.seconds_left = seconds_left;
  return event;
}

}  // namespace

uint64_t Denoising::step_flops(const std::vector<at::Tensor>& latents) const {
  return operation(run_, conditioning_, latents, 0, latents.size(), 0, true, run_.guided())
      .estimate(run_.call, {})
      .flops;
}

std::vector<at::Tensor> Denoising::velocities(size_t begin, size_t end,
                                              const std::vector<at::Tensor>& latents,
                                              double timestep,
                                              const std::vector<const gesso_injector*>& injectors,
                                              Sides sides) {
  const size_t pictures = end - begin;
  run_.adapters.arrange(sides.positive ? pictures : 0, sides.negative ? pictures : 0);
  ValueList values;
  values.set_text("numerics", run_.plan.numerics);
  auto results =
      operation(run_, conditioning_, latents, begin, end, timestep, sides.positive, sides.negative)
          .inject(injectors)
          .run(run_.call, values);
  auto made = take(results, GESSO_PORT_PREDICTION, pictures * (sides.positive + sides.negative),
                   run_.parts.get("denoiser").plan().info->id);
  for (at::Tensor& velocity : made) velocity = velocity.to(run_.state_type());
  return made;
}

at::Tensor Denoising::guide(const at::Tensor& positive, const at::Tensor& negative) const {
  const at::Tensor merged = merge_guidance(positive, negative, run_.request.cfg_scale);
  return limit_norm(merged, positive, run_.request.cfg_normalization);
}

/// Tile by tile where there are several, blended.
std::vector<at::Tensor> Denoising::predict(const std::vector<at::Tensor>& latents,
                                           const gesso_eval_t& eval, size_t k, size_t n) {
  if (tiles_.size() == 1) return predict_tile(latents, eval, controls_.at_step(k, n, 0));
  const int64_t overlap = run_.request.denoise_tile_overlap / preview_.pixels_per_cell;
  std::vector<Blend> blends;
  for (const at::Tensor& latent : latents) blends.emplace_back(latent, overlap);
  for (size_t t = 0; t < tiles_.size(); ++t) {
    std::vector<at::Tensor> parts;
    for (const at::Tensor& latent : latents) parts.push_back(cut(latent, tiles_[t]));
    const auto predictions = predict_tile(parts, eval, controls_.at_step(k, n, t));
    for (size_t i = 0; i < latents.size(); ++i) blends[i].add(predictions[i], tiles_[t]);
  }
  std::vector<at::Tensor> predictions;
  for (const Blend& blend : blends) predictions.push_back(blend.result());
  return predictions;
}

/// One run for both sides of guidance, so that each block's weights are used twice; two runs where
/// an adapter acts on one side and cannot be restricted to items of a batch.
std::vector<at::Tensor> Denoising::predict_tile(
    const std::vector<at::Tensor>& latents, const gesso_eval_t& eval,
    const std::vector<const gesso_injector*>& injectors) {
  const bool guided = run_.guided() && !is_truncated(run_.request, eval.timestep);
  const bool apart = guided && run_.adapters.sides_differ() && !run_.adapters.per_item();
  std::vector<at::Tensor> predictions;
  for (size_t begin = 0; begin < latents.size(); begin += kPicturesAtATime) {
    const size_t end = std::min(begin + kPicturesAtATime, latents.size());
    const size_t pictures = end - begin;
    auto made = velocities(begin, end, latents, eval.timestep, injectors, {true, guided && !apart});
    if (apart) {
      auto negative = velocities(begin, end, latents, eval.timestep, injectors, {false, true});
      std::move(negative.begin(), negative.end(), std::back_inserter(made));
    }
    for (size_t i = 0; i < pictures; ++i) {
      predictions.push_back(guided ? guide(made[i], made[pictures + i]) : made[i]);
    }
  }
  return predictions;
}

void Denoising::go(const std::vector<gesso_eval_t>& evals, const std::vector<at::Tensor>& noise,
                   std::vector<at::Tensor>& latents) {
  std::vector<std::vector<at::Tensor>> history(latents.size());  // newest first
  const auto every = static_cast<size_t>(run_.request.preview_every);
  const auto start = Clock::now();
  for (size_t k = 0; k < evals.size(); ++k) {
    run_.call.poll();
    const auto step_start = Clock::now();
    const auto predictions = predict(latents, evals[k], k, evals.size());
    for (size_t i = 0; i < latents.size(); ++i) {
      check_finite(predictions[i],
                   fmt::format("denoise step {} of {}: the prediction for picture {}", k + 1,
                               evals.size(), i + 1));
      run_.keep(fmt::format("prediction.{}.{}", i, k), predictions[i]);
      history[i].insert(history[i].begin(), predictions[i]);
      history[i].resize(std::min<size_t>(history[i].size(), 4));
    }
    if (every > 0 && (k + 1) % every == 0 && k + 1 < evals.size()) {
      show(latents, predictions, evals[k], k + 1, evals.size());
    }
    for (size_t i = 0; i < latents.size(); ++i) {
      latents[i] = step(latents[i], history[i], at::Tensor(), evals[k]);
      if (inpainting_) latents[i] = inpainting_->blend(latents[i], noise[i], evals[k].sigma_next);
      run_.keep(fmt::format("latents.{}.{}", i, k), latents[i]);
    }
    run_.report.json["steps"].push_back(seconds_since(step_start));
    const double per_step = seconds_since(start) / static_cast<double>(k + 1);
    run_.watch.event(
        step_event(k + 1, evals.size(), per_step * static_cast<double>(evals.size() - k - 1)));
  }
}

void Denoising::show(const std::vector<at::Tensor>& latents,
                     const std::vector<at::Tensor>& predictions, const gesso_eval_t& eval,
                     size_t step, size_t total) const {
  if (preview_.weight.empty()) return;
  for (size_t i = 0; i < latents.size(); ++i) {
    // Where a straight flow would end.
    const at::Tensor clean = latents[i] - predictions[i] * eval.sigma;
    const image::Image picture =
        preview_from_latents(clean, preview_.weight, preview_.bias, preview_.pixels_per_cell);
    Event event = step_event(step, total, -1);
    event.type = Event::Preview;
    event.text = fmt::format("picture {}", i + 1);
    event.picture = &picture;
    run_.watch.event(event);
  }
}

}  // namespace gesso::runtime
