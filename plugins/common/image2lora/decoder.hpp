// Features of pictures to low-rank updates, one target after another.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gesso/cpp/delta.hpp"
#include "image2lora/targets.hpp"
#include "nn/weight_unit.hpp"

namespace gesso::torch {
class Leaves;  // gesso/cpp/training_torch.hpp
}

namespace gesso::image2lora {

struct LowRank {
  at::Tensor a_RI, b_OR;  // the update of a weight [O, I] is B A
};

/// What both decoders share. Each target is a unit of weights of its own.
class Decoder {
 public:
  virtual ~Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// The update of target `index`, in the type of the weights.
  /// @param x_NE  features of N pictures, any float type
  virtual LowRank decode(const Call& call, size_t index, const at::Tensor& x_NE) = 0;
  /// The same as differentiable functions of the weights. @throws Error NotSupported by default
  virtual LowRank train(const Call& call, torch::Leaves& leaves, size_t index,
                        const at::Tensor& x_NE);
  /// How many of the given pictures are used.
  virtual size_t pictures_used(size_t given) const = 0;

  std::span<const gesso_target_t> targets() const { return shown_; }
  int64_t feature_size() const { return feature_size_; }
  void prefetch(size_t index) const {
    if (index < units_.size()) units_[index].prefetch();
  }
  gesso_estimate_t estimate(size_t pictures) const;

 protected:
  explicit Decoder(std::vector<Target> targets) : targets_(std::move(targets)) {}

  /// Adds the unit of the next target. Called once per target, in order.
  void add_unit(const Weights& weights, const std::vector<nn::WeightSpec>& specs,
                int64_t out_features, int64_t in_features);

  std::vector<Target> targets_;
  std::vector<nn::WeightUnit> units_;
  int64_t feature_size_ = 0, rank_ = 0;

 private:
  uint64_t weights_per_picture_ = 0;  // numbers of all matrices
  std::vector<std::string> names_;
  std::vector<gesso_target_t> shown_;
};

/// The features of N pictures as one tensor [N, E].
/// @throws Error  InvalidArgument without a picture, or when one is no vector of `size` numbers
at::Tensor stack_features(const std::vector<at::Tensor>& features, int64_t size);

/// A weight and the updates that are meant for it.
at::Tensor with_updates(const nn::Weight& weight);

}  // namespace gesso::image2lora
