// The transformer traced for training, layer by layer as in dit.cpp. Items of one size, padded
// caption included, run as one batch: small pictures would otherwise be all overhead. With
// injectors each item runs by itself, since their points show single items.
//
// B: items of a group, L: tokens, D: width, C: width of the embedded timestep.
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "gesso/cpp/training_torch.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "z_image/denoise_inputs.hpp"
#include "z_image/dit.hpp"

namespace gesso::z_image {
namespace {

using torch::Leaves;
using torch::Trace;
using torch::Value;
using Tensors = Trace::Tensors;

/// Items that run together.
struct Group {
  SequenceSizes sizes;  // of the first; the others' captions have other lengths at most
  nn::Rotary image_rotary, caption_rotary, rotary{};
  std::vector<int32_t> items{};
  std::vector<float> times{};
  std::vector<Value> latents{}, texts{};
  Value condition_B1C{}, x_BLD{}, caption_BLD{};
};

/// A group's only item at a point.
Value single(const Value& value) { return {value.tensor.squeeze(0), value.place}; }

at::Tensor counts(std::initializer_list<int64_t> list) {
  return at::tensor(at::ArrayRef<int64_t>(list), at::kLong);
}

class Training {
 public:
  Training(const Call& call, Trace& trace, TrainedInjectors injectors)
      : call_(call), trace_(trace), injectors_(std::move(injectors)) {}

  std::vector<Group> groups;

  template <class Run>
  Value piece(const std::vector<Value>& inputs, Run run, Trace::Keep keep = Trace::Keep::AsAsked) {
    return trace_
        .piece(
            call_, inputs,
            [run](const Call& c, Leaves& leaves, const Tensors& in) -> Tensors {
              return {run(c, leaves, in)};
            },
            keep)
        .front();
  }
  void show(uint32_t point, const nn::Rotary Group::*rotary,
            const std::function<at::Tensor(const Group&)>& counts_of) {
    if (!injectors_.wants(point)) return;
    std::vector<Trace::Tap> taps;
    for (const Group& g : groups) {
      const int32_t i = g.items.front();
      taps.push_back({kX, i, single(g.x_BLD)});
      taps.push_back({kCondition, i, {g.condition_B1C.tensor.flatten(), g.condition_B1C.place}});
      taps.push_back({kCos, i, Trace::constant((g.*rotary).cos)});
      taps.push_back({kSin, i, Trace::constant((g.*rotary).sin)});
      taps.push_back({kCounts, i, Trace::constant(counts_of(g))});
    }
    trace_.tap(call_, injectors_, point, taps);
  }
  void add_residuals(uint32_t point) {
    if (!injectors_.wants(point)) return;
    std::vector<Value> items(groups.size());
    std::vector<Value*> batch;
    for (const Group& g : groups) items[static_cast<size_t>(g.items.front())] = single(g.x_BLD);
    for (Value& item : items) batch.push_back(&item);
    trace_.add(call_, injectors_, point, batch);
    for (Group& g : groups) {
      const Value& item = items[static_cast<size_t>(g.items.front())];
      g.x_BLD = {item.tensor.unsqueeze(0), item.place};
    }
  }
  /// Before the end nothing is gained by a second computation.
  Trace::Keep at_end() const {
    return groups.size() == 1 ? Trace::Keep::Always : Trace::Keep::AsAsked;
  }

 private:
  const Call& call_;
  Trace& trace_;
  TrainedInjectors injectors_;
};

std::vector<Group> grouped(Trace& trace, const Inputs& inputs, const DitConfig& config,
                           bool apart) {
  const auto latents = torch::list(inputs, GESSO_PORT_LATENTS);
  const auto text = torch::list(inputs, GESSO_PORT_TEXT);
  const std::vector<float> times = read_timesteps(inputs);
  std::map<std::tuple<int64_t, int64_t, int64_t, size_t>, Group> groups;
  for (size_t i = 0; i < latents.size(); ++i) {
    const auto sizes =
        sequence_sizes(latents[i].size(1), latents[i].size(2), text[i].size(0), config);
    const std::tuple key(sizes.rows, sizes.columns, sizes.padded_caption(), apart ? i : 0);
    auto found = groups.find(key);
    if (found == groups.end()) {
      Group made{sizes, image_rotary(sizes, config), caption_rotary(sizes, config)};
      found = groups.emplace(key, std::move(made)).first;
    }
    Group& group = found->second;
    const auto item = static_cast<int32_t>(i);
    group.items.push_back(item);
    group.times.push_back(times[i]);
    group.latents.push_back(trace.input(GESSO_PORT_LATENTS, item, latents[i]));
    group.texts.push_back(trace.input(GESSO_PORT_TEXT, item, text[i]));
  }
  std::vector<Group> list;
  for (auto& [key, group] : groups) list.push_back(std::move(group));
  std::ranges::sort(list, {}, [](const Group& group) { return group.items.front(); });
  return list;
}

}  // namespace

std::unique_ptr<Tape> Dit::train(const Call& call, const Inputs& inputs, Outputs& outputs,
                                 const TrainRequest& request) {
  check_shapes(inputs, config_);
  const Numerics numerics = read_numerics(inputs.values());
  const TrainedInjectors injectors(inputs.raw());
  auto trace = std::make_unique<Trace>(request);
  Training t(call, *trace, injectors);
  t.groups = grouped(*trace, inputs, config_, !injectors.empty());
  const auto block_piece = [&](Block& block, const Value& x, const nn::Rotary& rotary,
                               const Value& condition, Trace::Keep keep = Trace::Keep::AsAsked) {
    return t.piece(
        {x, condition},
        [&block, rotary](const Call& c, Leaves& leaves, const Tensors& in) {
          return block.train(c, leaves, in[0], rotary, {in[1]});
        },
        keep);
  };

  for (Group& g : t.groups) {
    const auto tau_of = [times = g.times, numerics,
                         scale = static_cast<float>(config_.t_scale / 1000)](at::ScalarType type) {
      std::vector<float> list;
      for (const float time : times) {
        const float tau =
            rounded_time(1000.0f - rounded_time(time, numerics, type), numerics, type);
        list.push_back(tau * scale);
      }
      return list;
    };
    g.condition_B1C = t.piece({}, [this, tau_of](const Call& c, Leaves& leaves, const Tensors&) {
      return time_embedder_.train(c, leaves, tau_of);
    });
    g.x_BLD = t.piece(g.latents, [this](const Call& c, Leaves& leaves, const Tensors& in) {
      return image_embedder_.train(c, leaves, in);
    });
  }
  t.show(points_.embed(), &Group::image_rotary, [](const Group& g) {
    return counts({g.sizes.rows, g.sizes.columns, g.sizes.image()});
  });
  for (size_t i = 0; i < noise_refiner_.size(); ++i) {
    for (Group& g : t.groups) {
      g.x_BLD = block_piece(noise_refiner_[i], g.x_BLD, g.image_rotary, g.condition_B1C);
    }
    t.add_residuals(points_.noise_refiner(i));
  }

  for (Group& g : t.groups) {
    g.caption_BLD = t.piece(g.texts, [this](const Call& c, Leaves& leaves, const Tensors& in) {
      return caption_embedder_.train(c, leaves, in);
    });
  }
  for (Block& block : context_refiner_) {
    for (Group& g : t.groups) {
      g.caption_BLD = t.piece(
          {g.caption_BLD},
          [&block, rotary = g.caption_rotary](const Call& c, Leaves& leaves, const Tensors& in) {
            return block.train(c, leaves, in[0], rotary, {});
          });
    }
  }

  for (Group& g : t.groups) {
    g.x_BLD = t.piece({g.x_BLD, g.caption_BLD}, [](const Call&, Leaves&, const Tensors& in) {
      return at::cat({in[0], in[1]}, 1);
    });
    g.rotary = {at::cat({g.image_rotary.cos, g.caption_rotary.cos}),
                at::cat({g.image_rotary.sin, g.caption_rotary.sin})};
  }
  t.show(points_.unified(), &Group::rotary,
         [](const Group& g) { return counts({g.sizes.padded_image()}); });
  for (size_t i = 0; i < layers_.size(); ++i) {
    const bool last = i + 1 == layers_.size();
    if (!last) layers_[i + 1].prefetch();
    for (Group& g : t.groups) {
      g.x_BLD = block_piece(layers_[i], g.x_BLD, g.rotary, g.condition_B1C,
                            last ? t.at_end() : Trace::Keep::AsAsked);
    }
    t.add_residuals(points_.layer(i));
  }

  for (Group& g : t.groups) {
    const auto velocities = trace->piece(
        call, {g.x_BLD, g.condition_B1C},
        [this, sizes = g.sizes](const Call& c, Leaves& leaves, const Tensors& in) {
          const at::Tensor image_BLD = in[0].narrow(1, 0, sizes.image());
          Tensors made;
          for (const at::Tensor& patches :
               final_layer_.train(c, leaves, image_BLD, in[1]).unbind()) {
            made.push_back(unpatchify(patches, sizes.rows, sizes.columns).neg());
          }
          return made;
        },
        t.at_end());
    for (size_t i = 0; i < g.items.size(); ++i) {
      trace->output(GESSO_PORT_PREDICTION, g.items[i], velocities[i], outputs);
    }
  }
  return trace;
}

}  // namespace gesso::z_image
