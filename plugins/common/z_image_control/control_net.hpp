// The network beside the transformer: a second stack of its blocks that sees the control pictures
// and adds what it makes of them after every other block.
//
//   context -> patches -> embed --> [before_proj, + picture] -> block 0 -> block 1 ...   refiner
//                                                                 | after_proj * scale
//                                                                 v  + noise_refiner.i
//   [refined | caption] --> [before_proj, + joined] -> block 0 -> block 1 -> ...          main
//                                                        | after_proj * scale
//                                                        v  + layers.<place>
//
// Blocks run when the transformer reaches their point: nothing but one hidden state is kept.
// Source: docs/numerics.md; DiffSynth-Studio, models/z_image_controlnet.py.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gesso/cpp/control_training.hpp"
#include "gesso/cpp/injection.hpp"
#include "gesso/cpp/module.hpp"
#include "z_image/block.hpp"

namespace gesso::z_image_control {

struct ControlConfig {
  z_image::DitConfig blocks;    // sizes of the blocks alone
  int64_t context_channels;     // 33
  std::vector<int64_t> places;  // main blocks of the transformer that each block adds to
  int64_t n_refiners;
};

/// Sizes from the weights; `control_layers_places` (0, 2, 4, ...) and `norm_eps` from config.json.
/// @throws Error  NotFound naming the missing weight; Incompatible for places that do not fit
ControlConfig read_config(const Setup& setup);

/// A block and its projections: `before` leads into a stack, `after` back to the transformer.
struct ControlBlock {
  ControlBlock(const Weights& weights, const std::string& name, const ControlConfig& config,
               bool is_first);
  z_image::Block block;
  nn::WeightUnit before, after;
};

/// @param counts  rows and columns of patches, tokens of the picture
/// @throws Error  Incompatible for a transformer of another width; InvalidArgument for a context of
///                another size than the picture
void check_fit(const ControlConfig& config, const at::Tensor& context_CHW, const at::Tensor& x_LD,
               std::span<const int64_t> counts);

class ControlNet {
 public:
  explicit ControlNet(const Setup& setup);
  const ControlConfig& config() const { return config_; }

  /// @param context  [C, h, w]; copied
  /// @throws Error  InvalidArgument for another shape; Incompatible when the transformer lacks a
  ///                point
  std::unique_ptr<Injector> open(const at::Tensor& context, double scale, const PointList& points);
  /// The same for training: it keeps what its way back needs (control_training.cpp).
  std::unique_ptr<TrainedInjector> open_training(const at::Tensor& context, double scale,
                                                 const PointList& points,
                                                 const ControlTraining& training);

 private:
  class Run;
  class Training;
  void check_context(const at::Tensor& context) const;
  ControlConfig config_;
  nn::WeightUnit embedder_;
  std::vector<ControlBlock> refiners_, layers_;
};

}  // namespace gesso::z_image_control
