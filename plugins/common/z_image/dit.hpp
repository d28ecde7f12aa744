// The Z-Image transformer in its basic mode (Turbo and Base), for a batch of any sizes.
//
//   picture -> patches -> embed -> noise refiner  --+
//                                                    +-> main blocks -> final layer -> -velocity
//   caption features   -> embed -> context refiner --+
//
// Block after block, and within a block item after item: each unit of weights is entered once per
// step, and an item's numbers do not depend on its neighbours.
// Source: docs/numerics.md; the network predicts the negative velocity, and so its output is
// negated.
#pragma once

#include <memory>
#include <vector>

#include "gesso/cpp/training.hpp"
#include "z_image/block.hpp"
#include "z_image/embedders.hpp"
#include "z_image/points.hpp"
#include "z_image/sequence.hpp"

namespace gesso::z_image {

struct DitItem {
  at::Tensor latents_CHW;
  at::Tensor text_LT;  ///< features of the caption without padding
  float timestep;      ///< the scheduler's t in (0, 1000]; 1000 is noise
};

class Dit {
 public:
  /// Reads sizes, declares one unit per block. @throws Error as `read_config`
  explicit Dit(const Setup& setup);

  const DitConfig& config() const { return config_; }
  const Points& points() const { return points_; }

  /// @param injectors  called at `points`, between the blocks
  /// @return  velocity (noise - clean) per item, [C, H, W] in the type of the weights
  /// @throws Error  InvalidArgument for sizes that the model does not take; Cancelled; an
  ///                injector's
  std::vector<at::Tensor> velocity(const Call& call, const std::vector<DitItem>& items,
                                   Numerics numerics, const Injectors& injectors = {});

  /// The same, traced for training: items of one size run together (dit_training.cpp). Gives the
  /// predictions to `outputs`.
  std::unique_ptr<Tape> train(const Call& call, const Inputs& inputs, Outputs& outputs,
                              const TrainRequest& request);

 private:
  struct State;
  void embed_timesteps(const Call& call, std::vector<State>& batch, Numerics numerics);
  void join(std::vector<State>& batch) const;
  void show_embedded(const Call& call, const Injectors& injectors,
                     const std::vector<State>& batch) const;
  void show_joined(const Call& call, const Injectors& injectors,
                   const std::vector<State>& batch) const;
  std::vector<at::Tensor> finish(const Call& call, std::vector<State>& batch);

  DitConfig config_;
  Points points_;
  TimeEmbedder time_embedder_;
  PatchEmbedder image_embedder_;
  FeatureEmbedder caption_embedder_;
  FinalLayer final_layer_;
  std::vector<Block> noise_refiner_, context_refiner_, layers_;
};

}  // namespace gesso::z_image
