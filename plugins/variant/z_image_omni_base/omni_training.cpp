// The Omni transformer traced for training, item after item, layer by layer as in omni_dit.cpp.
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include "gesso/cpp/torch.hpp"
#include "gesso/cpp/training_torch.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "omni_dit.hpp"
#include "z_image/sequence.hpp"

namespace gesso::z_image_omni_base {
namespace {

using torch::Leaves;
using torch::Trace;
using torch::Value;
using Tensors = Trace::Tensors;
using Runs = std::vector<z_image::RowConditions::Run>;

/// The condition of each row; undefined when there is but one.
at::Tensor rows_of(const Runs& runs, bool several) {
  if (!several) return {};
  std::vector<int64_t> places;
  for (const auto& run : runs) {
    places.insert(places.end(), static_cast<size_t>(run.rows), static_cast<int64_t>(run.condition));
  }
  return at::tensor(places, at::kLong);
}

}  // namespace

std::unique_ptr<Tape> OmniDit::train(const Call& call, const std::vector<OmniItem>& items,
                                     const ConditionImages& images, z_image::Numerics numerics,
                                     Outputs& outputs, const TrainRequest& request) {
  auto trace = std::make_unique<Trace>(request);
  const auto piece = [&](const std::vector<Value>& inputs, auto run,
                         Trace::Keep keep = Trace::Keep::AsAsked) {
    return trace
        ->piece(
            call, inputs,
            [run](const Call& c, Leaves& l, const Tensors& in) -> Tensors {
              return {run(c, l, in)};
            },
            keep)
        .front();
  };
  const auto through = [&](z_image::Block& block, const std::vector<Value>& in,
                           const nn::Rotary& rotary, const at::Tensor& of_row,
                           Trace::Keep keep = Trace::Keep::AsAsked) {
    return piece(
        in,
        [&block, rotary, of_row](const Call& c, Leaves& l, const Tensors& t) {
          const auto conditions =
              t.size() > 1 ? z_image::TrainConditions{t[1], of_row} : z_image::TrainConditions{};
          return block.train(c, l, t[0], rotary, conditions);
        },
        keep);
  };
  /// Each tensor embedded by itself, then joined: [1, sum of padded lengths, D].
  const auto embedded = [&](auto& embedder, const std::vector<Value>& parts) {
    return piece(parts, [&embedder](const Call& c, Leaves& l, const Tensors& in) {
      Tensors made;
      for (const at::Tensor& part : in) made.push_back(embedder.train(c, l, {part}));
      return at::cat(made, 1);
    });
  };

  const Trace::Keep at_end = items.size() == 1 ? Trace::Keep::Always : Trace::Keep::AsAsked;
  for (size_t i = 0; i < items.size(); ++i) {
    const OmniItem& item = items[i];
    const OmniLayout layout = layout_of(item, images);
    const bool several = layout.n_conditions() > 0;
    const auto place = static_cast<int32_t>(i);

    const Value condition_1NC = piece(
        {}, [this, numerics, several, t = item.timestep](const Call& c, Leaves& l, const Tensors&) {
          return time_embedder_
              .train(c, l,
                     [&](at::ScalarType type) {
                       std::vector<float> list{noisy_tau(t, config_, numerics, type)};
                       if (several) list.push_back(clean_tau(config_, numerics, type));
                       return list;
                     })
              .transpose(0, 1);
        });

    std::vector<Value> pictures;
    for (size_t k = 0; k < images.latents_CHW.size(); ++k) {
      pictures.push_back(Trace::constant(images.latents_CHW[k].clone()));
    }
    pictures.push_back(trace->input(GESSO_PORT_LATENTS, place, item.latents_CHW));
    Value x = embedded(picture_embedder_, pictures);
    const nn::Rotary rotary_x = picture_rotary(layout, config_);
    for (z_image::Block& block : noise_refiner_) {
      x = through(block, {x, condition_1NC}, rotary_x, rows_of(layout.picture_runs(), several));
    }

    const Value whole_text = trace->input(GESSO_PORT_TEXT, place, item.text_LT);
    Value text = piece({whole_text}, [this, segments = item.segments](const Call& c, Leaves& l,
                                                                      const Tensors& in) {
      Tensors made;
      for (const at::Tensor& segment : in[0].split_with_sizes(segments)) {
        made.push_back(text_embedder_.train(c, l, {segment}));
      }
      return at::cat(made, 1);
    });
    const nn::Rotary rotary_text = text_rotary(layout, config_);
    for (z_image::Block& block : context_refiner_) text = through(block, {text}, rotary_text, {});

    std::vector<Value> parts{text, x};
    std::vector<nn::Rotary> tables{rotary_text, rotary_x};
    if (!images.features_HWF.empty()) {
      std::vector<Value> maps;
      for (const at::Tensor& map : images.features_HWF) {
        maps.push_back(Trace::constant(flatten_map(map).clone()));
      }
      Value features = embedded(feature_embedder_, maps);
      tables.push_back(feature_rotary(layout, config_));
      for (z_image::Block& block : siglip_refiner_) {
        features = through(block, {features}, tables.back(), {});
      }
      parts.push_back(features);
    }

    x = piece(parts, [](const Call&, Leaves&, const Tensors& in) { return at::cat(in, 1); });
    const nn::Rotary rotary = joined(tables);
    const at::Tensor of_row = rows_of(layout.joined_runs(), several);
    for (size_t k = 0; k < layers_.size(); ++k) {
      const bool last = k + 1 == layers_.size();
      x = through(layers_[k], {x, condition_1NC}, rotary, of_row,
                  last ? at_end : Trace::Keep::AsAsked);
    }

    const Value velocity = piece(
        {x, condition_1NC},
        [this, layout](const Call& c, Leaves& l, const Tensors& in) {
          const int64_t begin = layout.text_tokens() + layout.target_begin();
          const at::Tensor target_1LD = in[0].narrow(1, begin, layout.target_tokens());
          const at::Tensor noisy_11C = in[1].narrow(1, kNoisy, 1);
          const at::Tensor patches = final_layer_.train(c, l, target_1LD, noisy_11C).squeeze(0);
          const Grid& size = layout.pictures.back();
          return z_image::unpatchify(patches, size.rows / z_image::kPatch,
                                     size.columns / z_image::kPatch)
              .neg();
        },
        at_end);
    trace->output(GESSO_PORT_PREDICTION, place, velocity, outputs);
  }
  return trace;
}

}  // namespace gesso::z_image_omni_base
