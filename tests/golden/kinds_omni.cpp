// The Omni transformer.
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include "components.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "kinds.hpp"

namespace gesso::golden {
namespace {

Tensors forward(const Context& context, const Case& golden) {
  const std::string dtype = golden.compute_dtype();
  const std::string numerics = dtype == "bf16" ? "diffsynth" : "precise";
  const at::ScalarType type = dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  Bench bench(context.registry,
              weights_plan(*context.registry, golden, "dit", "denoiser", dtype,
                           "org.gesso.z_image_omni_base.denoiser"),
              numerics);
  const auto segments = golden.input_list("prompt_embeds");
  std::vector<int64_t> rows;
  for (const at::Tensor& segment : segments) rows.push_back(segment.size(0));
  std::vector<at::Tensor> images, features;
  for (const at::Tensor& image : golden.input_list("image_latents")) {
    images.push_back(image[0].to(type));
  }
  for (const at::Tensor& map : golden.input_list("image_embeds")) features.push_back(map.to(type));
  ValueList values;
  values.set_text("numerics", numerics);
  const auto results =
      bench.run(GESSO_OP_DENOISE,
                {{GESSO_PORT_LATENTS, {golden.input("latents")[0].to(type)}},
                 {GESSO_PORT_TEXT, {at::cat(segments).to(type)}},
                 {GESSO_PORT_TEXT_SEGMENTS, {at::tensor(rows, at::kLong)}},
                 {GESSO_PORT_IMAGE_LATENTS, images},
                 {GESSO_PORT_IMAGE_FEATURES, features}},
                {{GESSO_PORT_TIMESTEP, golden.input("timestep").to(at::kFloat)}}, values);
  return {{"noise_pred", results.at("prediction.0").unsqueeze(0)}};
}

}  // namespace

void add_omni_kinds(std::map<std::string, Compute>& table) { table["dit_omni.forward"] = forward; }

}  // namespace gesso::golden
