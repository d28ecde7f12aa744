// The autoencoder of FLUX.1 and Z-Image: pictures to 16-channel latents and back, whole or in
// tiles.
//
// Parameters of both operations, in pixels for encode and in latent cells (8 pixels) for decode:
//
// | Parameter   | Type | Range | Default              | Meaning                              |
// |-------------|------|-------|----------------------|--------------------------------------|
// | tiled       | bool |       | false                | tile by tile: slower, in less memory |
// | tile_size   | int  | >= 1  | 512 pixels, 64 cells | side of a tile                       |
// | tile_stride | int  | >= 1  | half of tile_size    | distance of tiles, <= tile_size      |
//
// A last tile is shifted to the border where the stride does not divide. Where bf16 products are
// slow on this processor, activations stay in float32.
//
// Example:
//   [generate]
//   tiled = true
//   tile_size = 64
//   tile_stride = 32
//
// Source: DiffSynth-Studio, models/flux_vae.py.
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <optional>

#include "gesso/cpp/module.hpp"
#include "gesso/cpp/training_torch.hpp"
#include "gesso/ext/codec_training.h"
#include "gesso/kind/text_encoder.h"
#include "preview.hpp"
#include "tiling.hpp"
#include "vae.hpp"

namespace gesso::flux_vae {
namespace {

constexpr int64_t kTileCells = 64;

void expect(bool fits, const std::string& text) {
  if (!fits) throw Error(Status::InvalidArgument, text);
}

/// Nothing: the whole picture at once. `unit`: what sizes must be a multiple of.
std::optional<Tiling> read_tiling(const Values& values, int64_t unit) {
  if (!values.boolean("tiled", false)) return std::nullopt;
  Tiling tiling{values.integer("tile_size", kTileCells * unit), 0};
  tiling.stride = values.integer("tile_stride", std::max(unit, tiling.size / 2 / unit * unit));
  for (const auto& [name, value] :
       {std::pair{"tile_size", tiling.size}, std::pair{"tile_stride", tiling.stride}}) {
    expect(value >= unit && value % unit == 0, std::string(name) + ": expected a multiple of " +
                                                   std::to_string(unit) + ", found " +
                                                   std::to_string(value));
  }
  expect(tiling.stride <= tiling.size, "tile_stride: expected at most tile_size (" +
                                           std::to_string(tiling.size) + "), found " +
                                           std::to_string(tiling.stride));
  return tiling;
}

class Codec : public Component<Codec, ModuleInterface, CodecInterface, TrainingInterface> {
 public:
  static constexpr Info info{.id = "org.gesso.flux_vae.codec",
                             .kind = "codec",
                             .name = "FLUX autoencoder",
                             .version = "1.0.0",
                             .summary = "Pictures to 16-channel latents and back"};

  static const std::vector<Op<Codec>>& ops() {
    static const std::vector<Op<Codec>> list{
        {.name = GESSO_OP_ENCODE,
         .inputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32|bf16"}},
         .outputs = {{GESSO_PORT_LATENTS, "C h w", kPerItem, "f32"}},
         .run = &Codec::encode,
         .estimate = &Codec::estimate_encode},
        {.name = GESSO_OP_DECODE,
         .inputs = {{GESSO_PORT_LATENTS, "C h w", kPerItem, "f32|bf16"}},
         .outputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
         .run = &Codec::decode,
         .estimate = &Codec::estimate_decode},
        {.name = GESSO_OP_POSTERIOR,
         .inputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32|bf16"}},
         .outputs = {{GESSO_PORT_LATENTS, "C h w", kPerItem, "f32"},
                     {GESSO_PORT_LOG_VARIANCE, "C h w", kPerItem, "f32"}},
         .run = &Codec::posterior,
         .estimate = &Codec::estimate_encode}};
    return list;
  }
  static const std::vector<TrainedOp<Codec>>& trained_ops() {
    static const std::vector<TrainedOp<Codec>> list{{GESSO_OP_POSTERIOR, &Codec::train_posterior},
                                                    {GESSO_OP_DECODE, &Codec::train_decode}};
    return list;
  }

  void prepare(const Setup& setup) {
    expect(static_cast<bool>(setup.weights), "the codec was given no weights file");
    vae_.emplace(setup);
    preview_ = read_latent_rgb(setup.values, vae_->config());
  }

  void encode(const Call& call, const Inputs& inputs, Outputs& outputs) {
    const c10::InferenceMode guard;
    const int64_t unit = pixels_per_cell();
    const auto tiling = read_tiling(inputs.values(), unit);
    const auto half = [&](const at::Tensor& x) { return vae_->encode(call, x); };
    check_sizes(inputs, GESSO_PORT_PIXELS, 3, unit, vae_->encodes());
    int32_t item = 0;
    for (const at::Tensor& pixels : torch::list(inputs, GESSO_PORT_PIXELS)) {
      const at::Tensor latents = tiling ? run_tiled(pixels, *tiling, 1, unit, half) : half(pixels);
      outputs.put(GESSO_PORT_LATENTS, item++, torch::give(latents));
    }
  }

  void decode(const Call& call, const Inputs& inputs, Outputs& outputs) {
    const c10::InferenceMode guard;
    const auto tiling = read_tiling(inputs.values(), 1);
    const auto half = [&](const at::Tensor& x) { return vae_->decode(call, x); };
    check_sizes(inputs, GESSO_PORT_LATENTS, channels(), 1, vae_->decodes());
    int32_t item = 0;
    for (const at::Tensor& latents : torch::list(inputs, GESSO_PORT_LATENTS)) {
      const at::Tensor pixels =
          tiling ? run_tiled(latents, *tiling, pixels_per_cell(), 1, half) : half(latents);
      outputs.put(GESSO_PORT_PIXELS, item++, torch::give(pixels));
    }
  }

  /// What training works with, without a way back.
  void posterior(const Call& call, const Inputs& inputs, Outputs& outputs) {
    check_sizes(inputs, GESSO_PORT_PIXELS, 3, pixels_per_cell(), vae_->encodes());
    const at::NoGradGuard guard;
    int32_t item = 0;
    for (const at::Tensor& pixels : torch::list(inputs, GESSO_PORT_PIXELS)) {
      torch::Trace trace(GESSO_CHECKPOINT_BLOCKS);
      vae_->train_posterior(call, trace, item++, pixels, outputs);
    }
  }

  std::unique_ptr<Tape> train_posterior(const Call& call, const Inputs& inputs, Outputs& outputs,
                                        const TrainRequest& request) {
    check_sizes(inputs, GESSO_PORT_PIXELS, 3, pixels_per_cell(), vae_->encodes());
    auto trace = std::make_unique<torch::Trace>(request);
    int32_t item = 0;
    for (const at::Tensor& pixels : torch::list(inputs, GESSO_PORT_PIXELS)) {
      vae_->train_posterior(call, *trace, item++, pixels, outputs);
    }
    return trace;
  }
  std::unique_ptr<Tape> train_decode(const Call& call, const Inputs& inputs, Outputs& outputs,
                                     const TrainRequest& request) {
    check_sizes(inputs, GESSO_PORT_LATENTS, channels(), 1, vae_->decodes());
    auto trace = std::make_unique<torch::Trace>(request);
    int32_t item = 0;
    for (const at::Tensor& latents : torch::list(inputs, GESSO_PORT_LATENTS)) {
      vae_->train_decode(call, *trace, item++, latents, outputs);
    }
    return trace;
  }

  gesso_estimate_t estimate_encode(const Inputs& inputs) {
    return estimate(inputs, GESSO_PORT_PIXELS, true);
  }
  gesso_estimate_t estimate_decode(const Inputs& inputs) {
    return estimate(inputs, GESSO_PORT_LATENTS, false);
  }

  int64_t channels() const { return vae_->config().latent_channels; }
  int64_t pixels_per_cell() const { return vae_->config().pixels_per_cell; }
  bool preview(std::vector<float>& weight, std::vector<float>& bias) const {
    weight = preview_.weight;
    bias = preview_.bias;
    return !weight.empty();
  }

 private:
  static void check_sizes(const Inputs& inputs, const char* port, int64_t channels, int64_t unit,
                          bool can) {
    if (!can) {
      throw Error(Status::NotSupported, std::string("the file has no half for ") + port);
    }
    for (const gesso_tensor_t* tensor : inputs.list(port)) {
      const auto shape = shape_of(tensor->dl_tensor);
      expect(shape.size() == 3 && shape[0] == channels && shape[1] > 0 && shape[2] > 0 &&
                 shape[1] % unit == 0 && shape[2] % unit == 0,
             std::string(port) + ": expected [" + std::to_string(channels) +
                 ", H, W] with H and W multiples of " + std::to_string(unit) + ", found " +
                 shape_text(shape));
    }
  }

  /// Items run one after another: work adds up, room does not. A tile counts as a picture.
  gesso_estimate_t estimate(const Inputs& inputs, const char* port, bool encoding) {
    const auto tiling = read_tiling(inputs.values(), encoding ? pixels_per_cell() : 1);
    gesso_estimate_t total{sizeof(gesso_estimate_t), 0, 0, 0};
    for (const gesso_tensor_t* tensor : inputs.list(port)) {
      const auto shape = shape_of(tensor->dl_tensor);
      int64_t height = shape[1], width = shape[2];
      uint64_t tiles = 1, joined = 0;
      if (tiling) {
        // Where tiles are summed, and the sum of their weights, in float32.
        const int64_t unit = pixels_per_cell();
        joined =
            static_cast<uint64_t>(encoding ? (channels() + 1) * (height / unit) * (width / unit)
                                           : (3 + 1) * height * unit * width * unit) *
            sizeof(float);
        tiles = tile_starts(height, *tiling).size() * tile_starts(width, *tiling).size();
        height = std::min(height, tiling->size);
        width = std::min(width, tiling->size);
      }
      const gesso_estimate_t one = vae_->estimate(encoding, height, width);
      total.flops += tiles * one.flops;
      total.peak_bytes = std::max(total.peak_bytes, one.peak_bytes + joined);
    }
    return total;
  }

  std::optional<Vae> vae_;
  LatentRgb preview_;
};

}  // namespace
}  // namespace gesso::flux_vae

GESSO_EXPORT_PLUGIN("org.gesso.flux_vae", "1.0.0", "Gesso", "Apache-2.0", gesso::flux_vae::Codec)
