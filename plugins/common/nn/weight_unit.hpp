// The weights of one unit (a block, an embedder) as tensors, between `enter` and the end of a
// scope.
//
//   enum : uint32_t { kWeight, kBias };
//   nn::WeightUnit unit(weights, "embedder", {{"embedder.weight", {-1, 64}}, {"embedder.bias",
//   {-1}}});
//   ...
//   const auto w = unit.enter(call);
//   y = nn::linear(x, w[kWeight], w[kBias].data);
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gesso/cpp/torch.hpp"

namespace gesso::nn {

/// A low-rank update: y += scale * (x A^T) B^T.
struct Delta {
  at::Tensor a, b;
  double scale = 1;
  uint64_t items = ~uint64_t{0};  ///< bit i: applies to item i of the batch
};

struct Weight {
  at::Tensor data;  ///< undefined when an optional weight is absent
  std::vector<Delta> deltas;
  /// Defined: `data` has int8 numbers, and this is a float32 scale for each row.
  at::Tensor row_scale = {};
};

struct WeightSpec {
  std::string name;
  std::vector<int64_t> shape;  ///< -1: any extent
  uint32_t more_flags = 0;     ///< GESSO_WEIGHT_OPTIONAL, GESSO_WEIGHT_BUFFER
  bool int8 = false;           ///< may come with a `row_scale`
};

/// A matrix that nothing but `linear` reads, which understands every form of it.
inline WeightSpec matrix(std::string name, int64_t out, int64_t in) {
  return {std::move(name), {out, in}, 0, true};
}

/// Declares the unit; later gives its tensors. Rank-2 weights that are no buffers take low-rank
/// updates, per item.
class WeightUnit {
 public:
  WeightUnit() = default;
  /// @throws Error  NotFound or Incompatible from the host: a weight is missing or of another shape
  WeightUnit(const Weights& weights, const std::string& name, const std::vector<WeightSpec>& specs);

  /// Keeps the unit where it is; the tensors must not be touched after its end.
  class Scope {
   public:
    Scope(const Unit& unit, const Call& call, WeightUnit& owner);
    const Weight& operator[](uint32_t place) const { return weights_[place]; }

   private:
    Unit::Guard guard_;
    const std::vector<Weight>& weights_;
  };
  /// @throws Error  Cancelled when the request was; NotSupported for an update that is not low-rank
  Scope enter(const Call& call);
  void prefetch() const { unit_.prefetch(); }
  /// For training, which wraps the weights itself.
  const Unit& unit() const { return unit_; }

 private:
  void wrap(const Unit::Guard& guard);

  Unit unit_;
  std::vector<Weight> wrapped_;  // holds as long as both generations are unchanged
  uint64_t generation_ = ~uint64_t{0}, delta_generation_ = ~uint64_t{0};
};

}  // namespace gesso::nn
