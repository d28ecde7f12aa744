// Where a run of the transformer can be read and changed ("gesso.injection/1"), in run order:
//
//   point              mode  taps, or what is added
//   embed              TAP   x, condition, cos, sin, sizes: the picture, embedded and padded
//   noise_refiner.<i>  ADD   [L, D], to the picture after block i
//   unified            TAP   x, condition, cos, sin, image_tokens: picture, then caption
//   layers.<i>         ADD   [L, D], to picture and caption after block i
//
// x [L, D]: the hidden state, padding included; condition [C]: the embedded timestep; cos and sin
// [L, K]: the rotary table of these tokens; sizes: rows and columns of patches, tokens of the
// picture without padding; image_tokens: those with padding.
#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <vector>

#include "gesso/cpp/injection.hpp"
#include "nn/rotary.hpp"
#include "z_image/dit_config.hpp"

namespace gesso::z_image {

/// Places of the taps in the list of a point that has them; kCounts: its sizes or image_tokens.
enum : uint32_t { kX, kCondition, kCos, kSin, kCounts };

/// The points of a model of these sizes, and their places.
class Points {
 public:
  explicit Points(const DitConfig& config);
  const PointTable& table() const { return table_; }
  uint32_t embed() const { return 0; }
  uint32_t noise_refiner(size_t block) const { return 1 + static_cast<uint32_t>(block); }
  uint32_t unified() const { return noise_refiner(n_noise_refiners_); }
  uint32_t layer(size_t block) const { return unified() + 1 + static_cast<uint32_t>(block); }

 private:
  size_t n_noise_refiners_;
  PointTable table_;
};

/// The taps of one point, lent to the injectors of a run.
class TapList {
 public:
  /// Adds an item: its tensors without copies, and its counts.
  void lend(const at::Tensor& x_LD, const at::Tensor& condition_1C, const nn::Rotary& rotary,
            std::initializer_list<int64_t> counts);
  const std::vector<gesso_item_t>& items() const { return items_; }

 private:
  void add(uint32_t tap, Tensor tensor);
  std::vector<Tensor> tensors_;
  std::vector<gesso_item_t> items_;
  int32_t next_item_ = 0;
};

/// Shows the taps of `point` to the injectors that stop there.
/// @throws Error  the injector's; InvalidArgument for a residual
void show_taps(const Injectors& injectors, const Call& call, uint32_t point, const TapList& taps);

/// Adds what the injectors want added at `point`, in their order, to the hidden states of the
/// batch.
/// @throws Error  the injector's; InvalidArgument for a residual that does not fit
void add_residuals(const Injectors& injectors, const Call& call, uint32_t point,
                   const std::vector<at::Tensor*>& batch_LD);

}  // namespace gesso::z_image
