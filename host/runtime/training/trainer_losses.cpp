// From items to losses and gradients.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gesso/kind/codec.h"
#include "gesso/kind/text_encoder.h"
#include "runtime/image2lora.hpp"
#include "runtime/sampling.hpp"
#include "runtime/training/reconstruction.hpp"
#include "runtime/training/trainer_detail.hpp"

namespace gesso::runtime {
namespace {

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

}  // namespace

EncodedItem Trainer::encoded(const data::Item& item) {
  if (item.tensors) return read_cached(item);
  if (plan_.loss == config::Loss::Reconstruction) return picture_item(item);
  EncodingPlan wanted;
  wanted.negative = plan_.loss == config::Loss::TrajectoryImitation;
  return encode_item(run_, item, wanted);
}

bool Trainer::shares_conditions(const EncodedItem& item) const {
  return !item.image_latents.empty() || item.control_context.defined() ||
         !item.lora_features.empty();
}

Conditions Trainer::conditions_of(const std::vector<EncodedItem>& items) const {
  Conditions made;
  const at::ScalarType type = run_.compute_type(kDenoiserRole);
  for (const EncodedItem& item : items) {
    made.text.push_back(item.text.to(type));
    if (item.text_segments.defined()) made.text_segments.push_back(item.text_segments);
    for (const at::Tensor& image : item.image_latents) made.image_latents.push_back(image.to(type));
    for (const at::Tensor& map : item.image_features) made.image_features.push_back(map.to(type));
  }
  return made;
}

/// All items as one batch, or one by one where conditions belong to single items. A text encoder
/// that is trained encodes here, and gets the gradient of what it gave.
std::vector<double> Trainer::flow_matching(const std::vector<EncodedItem>& items,
                                           const std::vector<uint64_t>& draws, double scale,
                                           bool backward) {
  if (items.size() > 1 && std::any_of(items.begin(), items.end(),
                                      [&](const auto& i) { return shares_conditions(i); })) {
    std::vector<double> losses;
    const double share = scale / static_cast<double>(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      losses.push_back(flow_matching({items[i]}, {draws[i]}, share, backward).front());
    }
    return losses;
  }
  FlowBatch batch;
  for (size_t i = 0; i < items.size(); ++i) {
    const at::Tensor clean = items[i].latents.to(draw_type_);
    batch.clean.push_back(clean);
    batch.noise.push_back(initial_noise(draw(plan_.seed, kNoise, draws[i]), clean.size(0),
                                        clean.size(1), clean.size(2), draw_type_));
    batch.points.push_back((*grid_)[draw(plan_.seed, kLevel, draws[i]) % grid_->size()]);
  }
  batch.conditions = conditions_of(items);

  Parameters* control = parameters_of(kControlNetRole);
  std::unique_ptr<ControlRun> injector;
  if (items.front().control_context.defined()) {
    injector = std::make_unique<ControlRun>(
        run_.parts.get(kControlNetRole), run_.parts.get(kDenoiserRole), run_.call,
        items.front().control_context, 1.0, checkpoint_, control ? control->sink() : nullptr);
    batch.conditions.injectors = {injector->get()};
  } else if (control) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: the ControlNet is trained, but the item has no controlnet_image",
                            items.front().where));
  }
  Parameters* generator = parameters_of(kGeneratorRole);
  if (generator) {
    if (items.front().lora_features.empty()) {
      throw Error(Status::InvalidArgument,
                  fmt::format("{}: image-to-LoRA is trained, but the item has no template_inputs",
                              items.front().where));
    }
    generated_->forward(run_.call, items.front().lora_features, checkpoint_);
  }
  Parameters* encoder = parameters_of(kTextEncoderRole);
  std::unique_ptr<TapedRun> encoding;
  if (encoder) {
    encoding = std::make_unique<TapedRun>(run_.parts.get(kTextEncoderRole), GESSO_OP_ENCODE);
    std::vector<at::Tensor> ids;
    for (const EncodedItem& item : items) ids.push_back(item.token_ids);
    encoding->feed(GESSO_PORT_TOKEN_IDS, ids);
    auto made = encoding->forward(run_.call, {}, checkpoint_);
    batch.conditions.text = take(made, GESSO_PORT_TEXT, items.size(), "the text encoder");
  }

  const Parameters* own = parameters_of(kDenoiserRole);
  const TrainedDenoiser denoiser(run_.parts.get(kDenoiserRole), run_.plan.numerics, checkpoint_,
                                 own ? own->sink() : (generator ? generated_->sink() : nullptr));
  std::vector<at::Tensor> text_grads;
  const auto losses = flow_matching_loss(denoiser, run_.call, batch, scale, backward,
                                         encoder && backward ? &text_grads : nullptr);
  if (backward && generator) generated_->backward(run_.call, generator->sink());
  if (backward && encoder) {
    encoding->backward(run_.call, {{GESSO_PORT_TEXT, text_grads}}, encoder->sink());
  }
  return losses;
}

/// The codec alone, picture by picture.
std::vector<double> Trainer::reconstructed(const std::vector<EncodedItem>& items,
                                           const std::vector<uint64_t>& draws, double scale,
                                           bool backward) {
  const Parameters* own = parameters_of(kCodecRole);
  if (!own) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: task \"vae\" trains the vae", plan_.name));
  }
  const Instance& codec = run_.parts.get(kCodecRole);
  uint32_t channels = 0, cell = 1;
  codec.interface<gesso_codec_t>(GESSO_CODEC_ID).geometry(codec.self(), &channels, &cell);
  std::vector<double> losses;
  for (size_t i = 0; i < items.size(); ++i) {
    const at::Tensor& pixels = items[i].pixels;
    const at::Tensor noise =
        initial_noise(draw(plan_.seed, kNoise, draws[i]), channels, pixels.size(1) / cell,
                      pixels.size(2) / cell, at::kFloat);
    losses.push_back(reconstruction_loss(
        codec, run_.call, pixels, noise, {plan_.vae_edge_weight, plan_.vae_kl_weight}, checkpoint_,
        scale / static_cast<double>(items.size()), backward ? own->sink() : nullptr));
  }
  return losses;
}

double Trainer::distilled(const EncodedItem& item, uint64_t place, double scale) {
  const Instance& scheduler = run_.parts.get("scheduler");
  const Parameters* own = parameters_of(kDenoiserRole);
  if (!own) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: distillation trains the denoiser", plan_.name));
  }
  const TrainedDenoiser denoiser(run_.parts.get(kDenoiserRole), run_.plan.numerics, checkpoint_,
                                 own->sink());
  const Conditions conditions = conditions_of({item});
  const auto noise = [&](uint64_t seed) {
    return initial_noise(seed, item.latents.size(0), item.latents.size(1), item.latents.size(2),
                         draw_type_);
  };
  if (plan_.loss == config::Loss::DirectDistill) {
    const auto number = [&](const char* key, int64_t preset) -> int64_t {
      if (!item.extra.is_object() || !item.extra.contains(key)) return preset;
      const nlohmann::json& value = item.extra.at(key);
      return value.is_string() ? std::stoll(value.get<std::string>()) : value.get<int64_t>();
    };
    const auto steps = static_cast<uint32_t>(number("num_inference_steps", plan_.student_steps));
    const auto seed = static_cast<uint64_t>(
        number("seed", static_cast<int64_t>(draw(plan_.seed, kNoise, place) >> 1)));
    return direct_distill_loss(denoiser, run_.call, plan_steps(scheduler, run_.call, steps, {}),
                               noise(seed), item.latents, conditions, scale);
  }
  if (!item.negative_text.defined()) {
    throw Error(Status::BadData,
                fmt::format("{}: the cache has no negative prompt; encode it again for this task",
                            item.where));
  }
  if (!trajectory_) {
    trajectory_ = plan_trajectory(scheduler, run_.call, static_cast<uint32_t>(plan_.teacher_steps),
                                  static_cast<uint32_t>(plan_.student_steps), {});
  }
  EncodedItem without = item;
  without.text = item.negative_text;
  without.text_segments = item.negative_segments;
  Parameters* student = parameters_of(kDenoiserRole);
  student->show(false);
  if (teacher_) teacher_->show(true);
  follow_teacher(*trajectory_, denoiser, run_.call, noise(draw(plan_.seed, kNoise, place)),
                 conditions, conditions_of({without}), plan_.teacher_cfg_scale);
  if (teacher_) teacher_->show(false);
  student->show(true);
  return trajectory_loss(denoiser, run_.call, *trajectory_, conditions, scale);
}

/// The losses of this worker's part of a micro-batch; gradients are added up.
std::vector<double> Trainer::losses_of(const std::vector<EncodedItem>& items,
                                       const data::Batch& batch) {
  const data::Worker self = workers_.self();
  double scale = 1.0 / static_cast<double>(plan_.gradient_accumulation_steps);
  if (plan_.data.on_error == config::OnError::Skip && !workers_.alone()) {
    // Items were left out, perhaps here more than there: each of the others counts the same.
    double all = 0;
    const auto here = static_cast<double>(items.size());
    for (const auto& counts : workers_.share({here})) all += counts.front();
    if (all > 0) scale *= here * self.count / all;
  }
  if (items.empty()) return {};
  // Places of the items in the run, the same for any number of workers.
  const auto planned = static_cast<uint64_t>(plan_.data.batch_size) * self.count;
  const size_t share = batch.global_items / self.count;
  std::vector<uint64_t> draws;
  for (size_t i = 0; i < items.size(); ++i) {
    draws.push_back(static_cast<uint64_t>(micro_batch_) * planned + self.rank * share + i);
  }
  if (plan_.loss == config::Loss::FlowMatching) return flow_matching(items, draws, scale, true);
  if (plan_.loss == config::Loss::Reconstruction) return reconstructed(items, draws, scale, true);
  std::vector<double> losses;
  for (size_t i = 0; i < items.size(); ++i) {
    losses.push_back(distilled(items[i], draws[i], scale / static_cast<double>(items.size())));
  }
  return losses;
}

double Trainer::validate() {
  const data::Worker self = workers_.self();
  std::vector<double> losses(split_.validation.size());  // of this worker's items, else 0
  for (size_t i = self.rank; i < losses.size(); i += self.count) {
    const data::Item item = dataset_->load(split_.validation[i]);
    const uint64_t place = data::mixed(kHeldOut, i);  // the same draws each time
    const auto loss = plan_.loss == config::Loss::Reconstruction ? &Trainer::reconstructed
                                                                 : &Trainer::flow_matching;
    losses[i] = (this->*loss)({encoded(item)}, {place}, 1, false).front();
  }
  std::vector<double> all(losses.size());
  for (const auto& of : workers_.share(losses)) {
    for (size_t i = 0; i < all.size(); ++i) all[i] += of[i];
  }
  return mean(all);
}

}  // namespace gesso::runtime
