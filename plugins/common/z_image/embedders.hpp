// What leads into the blocks and out of them. Each is one unit of weights:
//
//   const auto scope = embedder.enter(call);
//   for (State& s : batch) s.x_LD = scope.forward(s.latents_CHW, s.item);
//
// `train` is the same as a differentiable function of a batch of equal lengths.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nn/weight_unit.hpp"
#include "z_image/dit_config.hpp"

namespace gesso::torch {
class Leaves;  // gesso/cpp/training_torch.hpp
}

namespace gesso::z_image {

enum class Numerics {
  Precise,    ///< the timestep keeps its float32 value
  DiffSynth,  ///< in a bf16 model the timestep is rounded to bf16, before and after 1000 - t
};

/// `value` in the type that `numerics` keeps timesteps in.
float rounded_time(float value, Numerics numerics, at::ScalarType type);

/// "t_embedder": what modulates the blocks.
class TimeEmbedder {
 public:
  TimeEmbedder(const Weights& weights, const DitConfig& config);

  class Scope {
   public:
    Scope(TimeEmbedder& owner, const Call& call) : owner_(owner), w_(owner.unit_.enter(call)) {}
    at::ScalarType type() const;
    /// @param tau  what the network is told: 0 for pure noise, towards 1000 for a clean picture
    /// @return     [1, C]
    at::Tensor forward(float tau, int64_t item) const;

   private:
    TimeEmbedder& owner_;
    nn::WeightUnit::Scope w_;
  };
  Scope enter(const Call& call) { return {*this, call}; }
  /// @return [B, 1, C]. `tau_of` gets the type of the weights
  at::Tensor train(const Call& call, torch::Leaves& leaves,
                   const std::function<std::vector<float>(at::ScalarType)>& tau_of);

 private:
  nn::WeightUnit unit_;
  int64_t frequency_dim_;
};

/// "all_x_embedder": patches of a picture, padded.
class PatchEmbedder {
 public:
  PatchEmbedder(const Weights& weights, const DitConfig& config);

  class Scope {
   public:
    Scope(PatchEmbedder& owner, const Call& call) : w_(owner.unit_.enter(call)) {}
    /// [C, H, W] -> [padded(H/2 * W/2), D]
    at::Tensor forward(const at::Tensor& latents_CHW, int64_t item) const;

   private:
    nn::WeightUnit::Scope w_;
  };
  Scope enter(const Call& call) { return {*this, call}; }
  /// Latents of one size -> [B, padded(H/2 * W/2), D]
  at::Tensor train(const Call& call, torch::Leaves& leaves,
                   const std::vector<at::Tensor>& latents_CHW);

 private:
  nn::WeightUnit unit_;
};

/// Features of another model, normalised, projected and padded: "cap_embedder" for the text.
class FeatureEmbedder {
 public:
  /// @param features  width of what comes in; `pad_token`: name of the weight [1, D]
  FeatureEmbedder(const Weights& weights, const std::string& name, const std::string& pad_token,
                  int64_t features, const DitConfig& config);

  class Scope {
   public:
    Scope(FeatureEmbedder& owner, const Call& call) : owner_(owner), w_(owner.unit_.enter(call)) {}
    /// [L, features] -> [padded(L), D]
    at::Tensor forward(const at::Tensor& x_LF, int64_t item) const;

   private:
    FeatureEmbedder& owner_;
    nn::WeightUnit::Scope w_;
  };
  Scope enter(const Call& call) { return {*this, call}; }
  /// Features of one padded length -> [B, padded(L), D]
  at::Tensor train(const Call& call, torch::Leaves& leaves, const std::vector<at::Tensor>& x_LF);

 private:
  nn::WeightUnit unit_;
  double eps_;
};

/// "all_final_layer": from hidden states back to patches.
class FinalLayer {
 public:
  FinalLayer(const Weights& weights, const DitConfig& config);

  class Scope {
   public:
    Scope(FinalLayer& owner, const Call& call) : w_(owner.unit_.enter(call)) {}
    /// [L, D] -> [L, 4C]
    at::Tensor forward(const at::Tensor& x_LD, const at::Tensor& condition_1C, int64_t item) const;

   private:
    nn::WeightUnit::Scope w_;
  };
  Scope enter(const Call& call) { return {*this, call}; }
  /// [B, L, D], [B, 1, C] -> [B, L, 4C]
  at::Tensor train(const Call& call, torch::Leaves& leaves, const at::Tensor& x_BLD,
                   const at::Tensor& condition_B1C);

 private:
  nn::WeightUnit unit_;
};

}  // namespace gesso::z_image
