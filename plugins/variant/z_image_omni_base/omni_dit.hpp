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

#include <vector>

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
