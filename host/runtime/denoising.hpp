// The loop over the evaluations of a schedule: predictions, guidance, steps, previews.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "gesso/kind/scheduler.h"
#include "runtime/conditioning.hpp"
#include "runtime/controls.hpp"
#include "runtime/inpainting.hpp"
#include "runtime/run.hpp"
#include "runtime/tiles.hpp"

namespace gesso::runtime {

/// A linear map from latents to colours; `weight` is empty when the codec has none.
struct PreviewMap {
  std::vector<float> weight, bias;
  int64_t pixels_per_cell = 0;
};

class Denoising {
 public:
  Denoising(const Run& run, const Conditioning& conditioning, const Controls& controls,
            const std::vector<Tile>& tiles, const Inpainting* inpainting, const PreviewMap& preview)
      : run_(run),
        conditioning_(conditioning),
        controls_(controls),
        tiles_(tiles),
        inpainting_(inpainting),
        preview_(preview) {}

  /// Multiplications and additions of one evaluation.
  uint64_t step_flops(const std::vector<at::Tensor>& latents) const;

  /// Brings `latents` through all evaluations. @param noise  what they started from
  /// @throws Error  Cancelled; Numeric naming the step
  void go(const std::vector<gesso_eval_t>& evals, const std::vector<at::Tensor>& noise,
          std::vector<at::Tensor>& latents);

 private:
  struct Sides {
    bool positive, negative;
  };
  std::vector<at::Tensor> predict(const std::vector<at::Tensor>& latents, const gesso_eval_t& eval,
                                  size_t k, size_t n);
  std::vector<at::Tensor> predict_tile(const std::vector<at::Tensor>& latents,
                                       const gesso_eval_t& eval,
                                       const std::vector<const gesso_injector*>& injectors);
  std::vector<at::Tensor> velocities(size_t begin, size_t end,
                                     const std::vector<at::Tensor>& latents, double timestep,
                                     const std::vector<const gesso_injector*>& injectors,
                                     Sides sides);
  at::Tensor guide(const at::Tensor& positive, const at::Tensor& negative) const;
  void show(const std::vector<at::Tensor>& latents, const std::vector<at::Tensor>& predictions,
            const gesso_eval_t& eval, size_t step, size_t total) const;

  const Run& run_;
  const Conditioning& conditioning_;
  const Controls& controls_;
  const std::vector<Tile>& tiles_;
  const Inpainting* inpainting_;
  const PreviewMap& preview_;
};

}  // namespace gesso::runtime
