// One transformer block: attention and feed-forward, each between two RMSNorms, scaled and gated by
// the timestep where the block is modulated.
#pragma once

#include "nn/rotary.hpp"
#include "nn/weight_unit.hpp"
#include "z_image/dit_config.hpp"
#include "z_image/row_conditions.hpp"

namespace gesso::torch {
class Leaves;  // gesso/cpp/training_torch.hpp
}

namespace gesso::z_image {

/// In training: embedded timesteps of a batch, and which of them modulates which row.
struct TrainConditions {
  at::Tensor table_BNC{};
  at::Tensor of_row_L{};  ///< int64 places in N; undefined when N is 1
};

class Block {
 public:
  /// Declares the unit `name`, such as "layers.7".
  Block(const Weights& weights, const std::string& name, const DitConfig& config, bool modulated);

  class Scope {
   public:
    Scope(Block& block, const Call& call) : block_(block), w_(block.unit_.enter(call)) {}
    /// Moves one item's tokens through the block, in place.
    ///
    /// @param x_LD        hidden state
    /// @param rotary      angles of the L tokens
    /// @param conditions  embedded timestep, one [1, C] for all rows or by runs of rows; ignored by
    ///                    blocks that are not modulated
    /// @param item        place in the batch, for updates that belong to some items only
    void forward(at::Tensor& x_LD, const nn::Rotary& rotary, const RowConditions& conditions,
                 int64_t item) const;

   private:
    at::Tensor attend(const at::Tensor& x_LD, const nn::Rotary& rotary, int64_t item) const;
    at::Tensor feed_forward(const at::Tensor& x_LD, int64_t item) const;
    Block& block_;
    nn::WeightUnit::Scope w_;
  };
  Scope enter(const Call& call) { return Scope(*this, call); }
  void prefetch() const { unit_.prefetch(); }

  /// The block as a differentiable function of a batch of equal lengths.
  at::Tensor train(const Call& call, torch::Leaves& leaves, const at::Tensor& x_BLD,
                   const nn::Rotary& rotary, const TrainConditions& conditions);

 private:
  nn::WeightUnit unit_;
  int64_t head_dim_;
  double eps_;
  bool modulated_;
};

/// Units "name.0" to "name.<count - 1>".
std::vector<Block> make_blocks(const Weights& weights, const std::string& name,
                               const DitConfig& config, int64_t count, bool modulated);

}  // namespace gesso::z_image
