// The denoiser component; the plugin of a variant gives it its name.
//
//   class TurboDenoiser : public z_image::Denoiser<TurboDenoiser> {
//    public:
//     static constexpr Info info{.id = "org.gesso.z_image_turbo.denoiser", ...};
//   };
#pragma once

#include <optional>

#include "gesso/cpp/module.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "z_image/dit.hpp"

namespace gesso::z_image {

/// The operation "denoise" of `dit`.
/// @throws Error  InvalidArgument when ports do not fit together
void denoise(Dit& dit, const Call& call, const Inputs& inputs, Outputs& outputs);
gesso_estimate_t estimate_denoise(const DitConfig& config, const Inputs& inputs);

template <class T>
class Denoiser : public Component<T, ModuleInterface, InjectionInterface, TrainingInterface> {
 public:
  static const std::vector<Op<T>>& ops() {
    static const std::vector<Op<T>> list{
        {.name = GESSO_OP_DENOISE,
         .inputs = {{GESSO_PORT_LATENTS, "C H W", kPerItem, "f32|bf16"},
                    {GESSO_PORT_TIMESTEP, "B", 0, "f32"},
                    {GESSO_PORT_TEXT, "L D", kPerItem, "f32|bf16"}},
         .outputs = {{GESSO_PORT_PREDICTION, "C H W", kPerItem, "f32|bf16"}},
         .run = &T::run,
         .estimate = &T::estimate}};
    return list;
  }
  static const std::vector<TrainedOp<T>>& trained_ops() {
    static const std::vector<TrainedOp<T>> list{{GESSO_OP_DENOISE, &T::train}};
    return list;
  }
  void prepare(const Setup& setup) {
    if (!setup.weights) {
      throw Error(Status::InvalidArgument, "the denoiser was given no weights file");
    }
    dit_.emplace(setup);
  }
  void run(const Call& call, const Inputs& inputs, Outputs& outputs) {
    denoise(*dit_, call, inputs, outputs);
  }
  std::unique_ptr<Tape> train(const Call& call, const Inputs& inputs, Outputs& outputs,
                              const TrainRequest& request) {
    return dit_->train(call, inputs, outputs, request);
  }
  const PointTable& points() const { return dit_->points().table(); }
  gesso_estimate_t estimate(const Inputs& inputs) {
    return estimate_denoise(dit_->config(), inputs);
  }

 private:
  std::optional<Dit> dit_;
};

}  // namespace gesso::z_image
