// From the words and condition pictures of a request to what the denoiser is fed with.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "runtime/prompt_cache.hpp"
#include "runtime/run.hpp"

namespace gesso::runtime {

/// One side of guidance, per picture.
struct TextSide {
  std::vector<at::Tensor> text, segments;  // segments: empty when texts are of one piece
  std::vector<at::Tensor> ids;             // of tokens; empty when the composer gives none
};

struct Conditioning {
  TextSide positive, negative;                            // negative: empty without guidance
  std::vector<at::Tensor> image_latents, image_features;  // condition pictures, shared by all
};

/// Runs the composer, once for each different prompt that `cache` does not have.
/// @throws Error  Numeric when features are not finite
Conditioning compose(const Run& run, PromptCache& cache);

/// Adds the condition pictures (edit_images): their latents, and their features when the pipeline
/// has an image encoder.
void add_edit_images(const Run& run, Conditioning& conditioning);

/// Latents of a picture. @param what  for messages
at::Tensor encode_picture(const Run& run, const image::Image& picture, const std::string& what);

/// `tiled` and its sizes, as the codec reads them.
ValueList tiling(const GenerateRequest& request);

}  // namespace gesso::runtime
