#include "denoise.hpp"

#include <c10/core/InferenceMode.h>

#include "gesso/cpp/torch.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "z_image/denoise_inputs.hpp"
#include "z_image/sequence.hpp"

namespace gesso::z_image_omni_base {
namespace {

using z_image::expect;

/// Rows of each segment of each text; a text without segments is one.
std::vector<std::vector<int64_t>> read_segments(const Inputs& inputs,
                                                const std::vector<z_image::ItemShapes>& shapes) {
  const auto given = torch::list(inputs, GESSO_PORT_TEXT_SEGMENTS);
  expect(given.empty() || given.size() == shapes.size(),
         "expected as many text_segments as texts, found " + std::to_string(given.size()));
  std::vector<std::vector<int64_t>> segments;
  for (size_t i = 0; i < shapes.size(); ++i) {
    const int64_t rows = shapes[i].text[0];
    if (given.empty()) {
      segments.push_back({rows});
      continue;
    }
    const at::Tensor list = given[i].contiguous();
    expect(list.dim() == 1 && list.scalar_type() == at::kLong,
           "text_segments " + std::to_string(i) + ": expected a list of int64");
    const int64_t* first = list.const_data_ptr<int64_t>();
    segments.push_back({first, first + list.numel()});
    int64_t sum = 0;
    for (const int64_t count : segments.back()) sum += count;
    expect(sum == rows, "text_segments " + std::to_string(i) + ": its segments have " +
                            std::to_string(sum) + " rows, its text " + std::to_string(rows));
  }
  return segments;
}

ConditionImages read_images(const Inputs& inputs, const OmniConfig& config) {
  ConditionImages images{torch::list(inputs, GESSO_PORT_IMAGE_LATENTS),
                         torch::list(inputs, GESSO_PORT_IMAGE_FEATURES)};
  const size_t n = images.latents_CHW.size();
  expect(images.features_HWF.empty() || images.features_HWF.size() == n,
         "expected image_features for all " + std::to_string(n) + " condition images, found " +
             std::to_string(images.features_HWF.size()));
  for (size_t i = 0; i < n; ++i) {
    const auto sizes = images.latents_CHW[i].sizes();
    expect(sizes.size() == 3 && sizes[0] == config.latent_channels,
           "image_latents " + std::to_string(i) + ": expected [" +
               std::to_string(config.latent_channels) + ", H, W], found " + shape_text(sizes));
  }
  for (size_t i = 0; i < images.features_HWF.size(); ++i) {
    const auto sizes = images.features_HWF[i].sizes();
    expect(sizes.size() == 3 && sizes[2] == config.feature_dim,
           "image_features " + std::to_string(i) + ": expected [rows, columns, " +
               std::to_string(config.feature_dim) + "], found " + shape_text(sizes) +
               "; is this image encoder of another model?");
  }
  return images;
}

/// Tokens with padding of each kind for one item; shapes alone, nothing is read.
struct Lengths {
  int64_t text = 0, pictures = 0, features = 0;
  int64_t all() const { return text + pictures + features; }
};

int64_t picture_tokens(std::span<const int64_t> latents) {
  return z_image::padded(latents[1] / z_image::kPatch * (latents[2] / z_image::kPatch));
}

Lengths lengths_of(const Inputs& inputs, const z_image::ItemShapes& item) {
  Lengths lengths{z_image::padded(item.text[0]), picture_tokens(item.latents), 0};
  for (const gesso_tensor_t* image : inputs.list(GESSO_PORT_IMAGE_LATENTS)) {
    const auto shape = shape_of(image->dl_tensor);
    if (shape.size() == 3) lengths.pictures += picture_tokens(shape);
  }
  for (const gesso_tensor_t* map : inputs.list(GESSO_PORT_IMAGE_FEATURES)) {
    const auto shape = shape_of(map->dl_tensor);
    if (shape.size() == 3) lengths.features += z_image::padded(shape[0] * shape[1]);
  }
  return lengths;
}

std::vector<OmniItem> read_items(const Inputs& inputs, const OmniConfig& config) {
  const auto segments = read_segments(inputs, z_image::check_shapes(inputs, config));
  const auto latents = torch::list(inputs, GESSO_PORT_LATENTS);
  const auto text = torch::list(inputs, GESSO_PORT_TEXT);
  const std::vector<float> times = z_image::read_timesteps(inputs);
  std::vector<OmniItem> items;
  for (size_t i = 0; i < latents.size(); ++i) {
    items.push_back({latents[i], text[i], segments[i], times[i]});
  }
  return items;
}

}  // namespace

void denoise(OmniDit& dit, const Call& call, const Inputs& inputs, Outputs& outputs) {
  const c10::InferenceMode guard;
  const auto items = read_items(inputs, dit.config());
  z_image::put_predictions(outputs, dit.velocity(call, items, read_images(inputs, dit.config()),
                                                 z_image::read_numerics(inputs.values())));
}

std::unique_ptr<Tape> train_denoise(OmniDit& dit, const Call& call, const Inputs& inputs,
                                    Outputs& outputs, const TrainRequest& request) {
  return dit.train(call, read_items(inputs, dit.config()), read_images(inputs, dit.config()),
                   z_image::read_numerics(inputs.values()), outputs, request);
}

gesso_estimate_t estimate_denoise(const OmniConfig& c, const Inputs& inputs) {
  gesso_estimate_t total{sizeof(gesso_estimate_t), 0, 0, 0};
  std::vector<int64_t> joined;
  for (const z_image::ItemShapes& item : z_image::check_shapes(inputs, c)) {
    const Lengths lengths = lengths_of(inputs, item);
    total.flops += static_cast<uint64_t>(c.n_noise_refiners) * block_flops(c, lengths.pictures) +
                   static_cast<uint64_t>(c.n_context_refiners) * block_flops(c, lengths.text) +
                   static_cast<uint64_t>(c.n_feature_refiners) * block_flops(c, lengths.features) +
                   static_cast<uint64_t>(c.n_layers) * block_flops(c, lengths.all());
    joined.push_back(lengths.all());
  }
  total.peak_bytes = z_image::peak_bytes(c, joined);
  return total;
}

}  // namespace gesso::z_image_omni_base
