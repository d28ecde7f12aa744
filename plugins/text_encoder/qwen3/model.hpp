// The Qwen3 language model up to the input of its last layer.
#pragma once

#include <memory>
#include <vector>

#include "gesso/cpp/training.hpp"
#include "nn/rotary.hpp"
#include "nn/weight_unit.hpp"

namespace gesso::torch {
class Leaves;  // gesso/cpp/training_torch.hpp
}

namespace gesso::qwen3 {

struct Config {
  // From the shapes of the weights.
  int64_t vocab_size, hidden, heads, kv_heads, head_dim, ffn_dim;
  // From config.json, under its names.
  int64_t num_hidden_layers;  // of the whole model; the last one is not used
  double rope_theta, rms_norm_eps;
  // From the setup.
  bool bf16_frequencies;  // `rope_inv_freq = "bf16"`
  bool wrap_ids;          // `token_ids_modulo_vocab`
};

/// @throws Error  NotFound naming the missing weight; InvalidArgument for values
Config read_config(const Setup& setup);

class Layer {
 public:
  Layer(const Weights& weights, int64_t index, const Config& config);

  class Scope {
   public:
    Scope(Layer& layer, const Call& call) : config_(layer.config_), w_(layer.unit_.enter(call)) {}
    /// Moves one prompt through the layer, in place. @param x_LD hidden state of its tokens
    void forward(at::Tensor& x_LD, const nn::Rotary& rotary, int64_t item) const;

   private:
    at::Tensor attend(const at::Tensor& x_LD, const nn::Rotary& rotary, int64_t item) const;
    at::Tensor feed_forward(const at::Tensor& x_LD, int64_t item) const;
    const Config& config_;
    nn::WeightUnit::Scope w_;
  };
  Scope enter(const Call& call) { return Scope(*this, call); }
  void prefetch() const { unit_.prefetch(); }

  /// The layer as a differentiable function of one prompt, [1, L, hidden].
  at::Tensor train(const Call& call, torch::Leaves& leaves, const at::Tensor& x_1LD,
                   const nn::Rotary& rotary);

 private:
  Config config_;
  nn::WeightUnit unit_;
};

class Model {
 public:
  /// Declares the embedding and all layers but the last. @throws Error as `read_config`
  explicit Model(const Setup& setup);
  const Config& config() const { return config_; }
  int64_t layers_used() const { return static_cast<int64_t>(layers_.size()); }

  /// The input of the last layer for each prompt, without the final norm (`hidden_states[-2]`).
  ///
  /// Prompts are encoded one by one, layer after layer: no padding, and no prompt sees another.
  /// @param ids_L  int64 token ids of each prompt, one at least
  /// @return       [L, hidden] per prompt, in the type of the weights
  /// @throws Error  InvalidArgument for an id outside the vocabulary or an empty prompt; Cancelled
  std::vector<at::Tensor> encode(const Call& call, const std::vector<at::Tensor>& ids_L);

  /// The same, traced for training. Gives the features to `outputs`.
  std::unique_ptr<Tape> train(const Call& call, const std::vector<at::Tensor>& ids_L,
                              Outputs& outputs, const TrainRequest& request);

 private:
  at::Tensor checked_ids(const at::Tensor& ids_L, size_t prompt) const;

  Config config_;
  nn::WeightUnit embedding_;
  std::vector<Layer> layers_;
};

}  // namespace gesso::qwen3
