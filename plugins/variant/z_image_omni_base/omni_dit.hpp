// The Omni transformer: a picture from a text that speaks of other pictures.
//
//   text segments    -> embed -> context refiner --+
//   latents          -> embed -> noise refiner   --+-> main blocks -> final layer -> -velocity
//   SigLIP features  -> embed -> siglip refiner  --+
//
// As z_image/dit.hpp, but several segments and pictures (omni_layout.hpp), joined in the order
// text, pictures, features; what belongs to a condition picture is modulated as clean. Only the
// target's velocity is computed.
#pragma once

#include <memory>
#include <vector>

#include "gesso/cpp/training.hpp"
#include "omni_layout.hpp"
#include "z_image/block.hpp"
#include "z_image/embedders.hpp"

namespace gesso::z_image_omni_base {

struct OmniConfig : z_image::DitConfig {
  int64_t feature_dim, n_feature_refiners;
};

struct OmniItem {
  at::Tensor latents_CHW;
  at::Tensor text_LT;             ///< its segments one after another, without padding
  std::vector<int64_t> segments;  ///< rows of each; they add up to L
  float timestep;                 ///< the scheduler's t in (0, 1000]; 1000 is noise
};

/// Shared by all items of a batch.
struct ConditionImages {
  std::vector<at::Tensor> latents_CHW;
  std::vector<at::Tensor> features_HWF;  ///< as many, or none
};

OmniLayout layout_of(const OmniItem& item, const ConditionImages& images);
/// [H, W, F] -> [H * W, F] as the reference does it: the numbers of the map with its features in
/// front, read as if they stood behind. Not a permutation of rows.
at::Tensor flatten_map(const at::Tensor& map_HWF);
nn::Rotary joined(const std::vector<nn::Rotary>& parts);
/// What the network is told for a timestep of the scheduler, and for a clean picture.
float noisy_tau(float timestep, const OmniConfig& config, z_image::Numerics numerics,
                at::ScalarType type);
float clean_tau(const OmniConfig& config, z_image::Numerics numerics, at::ScalarType type);

class OmniDit {
 public:
  /// Reads sizes, declares one unit per block. @throws Error as `z_image::read_config`
  explicit OmniDit(const Setup& setup);

  const OmniConfig& config() const { return config_; }

  /// @return  velocity (noise - clean) per item, [C, H, W] in the type of the weights
  /// @throws Error  InvalidArgument as `check_layout` and for sizes that the model does not take;
  ///                Cancelled
  std::vector<at::Tensor> velocity(const Call& call, const std::vector<OmniItem>& items,
                                   const ConditionImages& images, z_image::Numerics numerics);

  /// The same, traced for training, item after item (omni_training.cpp). Gives the predictions to
  /// `outputs`.
  std::unique_ptr<Tape> train(const Call& call, const std::vector<OmniItem>& items,
                              const ConditionImages& images, z_image::Numerics numerics,
                              Outputs& outputs, const TrainRequest& request);

 private:
  struct State;
  void embed_timesteps(const Call& call, std::vector<State>& batch, z_image::Numerics numerics);
  void refine_pictures(const Call& call, std::vector<State>& batch, const ConditionImages& images);
  void refine_text(const Call& call, std::vector<State>& batch);
  void refine_features(const Call& call, std::vector<State>& batch, const ConditionImages& images);
  void join(std::vector<State>& batch) const;
  std::vector<at::Tensor> finish(const Call& call, std::vector<State>& batch);

  OmniConfig config_;
  z_image::TimeEmbedder time_embedder_;
  z_image::PatchEmbedder picture_embedder_;
  z_image::FeatureEmbedder text_embedder_, feature_embedder_;
  z_image::FinalLayer final_layer_;
  std::vector<z_image::Block> noise_refiner_, context_refiner_, siglip_refiner_, layers_;
};

}  // namespace gesso::z_image_omni_base
