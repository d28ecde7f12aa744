// Denoiser, text encoder and codec alone.
#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include "components.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "kinds.hpp"

namespace gesso::golden {
namespace {

/// The reference's roundings when it computes in bf16, none in float32.
std::string numerics_of(const std::string& dtype) {
  return dtype == "bf16" ? "diffsynth" : "precise";
}

at::Tensor denoise_one(const Context& context, const Case& golden, const std::string& dtype) {
  Bench bench(context.registry, weights_plan(*context.registry, golden, "dit", "denoiser", dtype),
              numerics_of(dtype));
  ValueList values;
  values.set_text("numerics", numerics_of(dtype));
  const at::ScalarType type = dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  const auto results =
      bench.run(GESSO_OP_DENOISE,
                {{GESSO_PORT_LATENTS, {golden.input("latents")[0].to(type)}},
                 {GESSO_PORT_TEXT, {golden.input("prompt_embeds").to(type)}}},
                {{GESSO_PORT_TIMESTEP, golden.input("timestep").to(at::kFloat)}}, values);
  return results.at("prediction.0").unsqueeze(0);
}

Tensors dit_forward(const Context& context, const Case& golden) {
  return {{"noise_pred", denoise_one(context, golden, golden.compute_dtype())}};
}

Tensors dit_forward_bf16(const Context& context, const Case& golden) {
  return {{"noise_pred", denoise_one(context, golden, "bf16")},
          {"noise_pred_float32", denoise_one(context, golden, "f32")}};
}

Tensors dit_forward_batch(const Context& context, const Case& golden) {
  Bench bench(context.registry, weights_plan(*context.registry, golden, "dit", "denoiser", "f32"),
              "precise");
  std::vector<at::Tensor> latents;
  for (const at::Tensor& item : golden.input_list("latents")) latents.push_back(item[0]);
  const auto results = bench.run(
      GESSO_OP_DENOISE,
      {{GESSO_PORT_LATENTS, latents}, {GESSO_PORT_TEXT, golden.input_list("prompt_embeds")}},
      {{GESSO_PORT_TIMESTEP, golden.input("timestep")}}, {});
  Tensors outputs;
  for (size_t i = 0; i < latents.size(); ++i) {
    outputs[fmt::format("noise_pred.{}", i)] =
        results.at(fmt::format("prediction.{}", i)).unsqueeze(0);
  }
  return outputs;
}

Tensors text_encoder_hidden_state(const Context& context, const Case& golden) {
  auto plan = weights_plan(*context.registry, golden, "text_encoder", "text_encoder",
                           golden.compute_dtype());
  plan.values["rope_inv_freq"] =
      golden.params().value("rope_inv_freq", "float32") == "bfloat16" ? "bf16" : "f32";
  Bench bench(context.registry, plan, "precise");
  const at::Tensor ids = golden.input("input_ids"), mask = golden.input("attention_mask");
  std::vector<at::Tensor> prompts;
  for (int64_t i = 0; i < ids.size(0); ++i) prompts.push_back(ids[i].masked_select(mask[i] != 0));
  const auto results = bench.run(GESSO_OP_ENCODE, {{GESSO_PORT_TOKEN_IDS, prompts}}, {}, {});
  Tensors outputs;
  for (size_t i = 0; i < prompts.size(); ++i) {
    outputs[fmt::format("prompt_embeds.{}", i)] = results.at(fmt::format("text.{}", i));
  }
  return outputs;
}

Tensors codec(const Context& context, const Case& golden, const char* operation,
              const char* input_port, const char* input, const char* result_port,
              const char* output) {
  const auto plan = weights_plan(*context.registry, golden, "vae", "codec", golden.compute_dtype());
  Bench bench(context.registry, plan, "precise");
  ValueList values;
  values.set_boolean("tiled", golden.params().value("tiled", false));
  for (const char* key : {"tile_size", "tile_stride"}) {
    if (golden.params().contains(key)) values.set_integer(key, golden.params().at(key));
  }
  const auto results = bench.run(operation, {{input_port, {golden.input(input)[0]}}}, {}, values);
  return {{output, results.at(fmt::format("{}.0", result_port)).unsqueeze(0)}};
}

Tensors vae_encode(const Context& context, const Case& golden) {
  return codec(context, golden, GESSO_OP_ENCODE, GESSO_PORT_PIXELS, "image", GESSO_PORT_LATENTS,
               "latents");
}

Tensors vae_decode(const Context& context, const Case& golden) {
  return codec(context, golden, GESSO_OP_DECODE, GESSO_PORT_LATENTS, "latents", GESSO_PORT_PIXELS,
               "image");
}

}  // namespace

void add_model_kinds(std::map<std::string, Compute>& table) {
  table["dit.forward"] = dit_forward;
  table["dit.forward_bf16"] = dit_forward_bf16;
  table["dit.forward_batch"] = dit_forward_batch;
  table["text_encoder.hidden_state"] = text_encoder_hidden_state;
  table["vae.encode"] = vae_encode;
  table["vae.decode"] = vae_decode;
}

}  // namespace gesso::golden
