// Image encoders and image-to-LoRA.
#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include "components.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/delta_generator.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "kinds.hpp"

namespace gesso::golden {
namespace {

std::string encoder_id(const Case& golden) {
  return "org.gesso." + golden.params().at("encoder").get<std::string>() + ".image_encoder";
}

/// byte * 2 / 255 - 1 of an image [H, W, 3].
at::Tensor pixels_of(const at::Tensor& image_HW3) {
  return image_HW3.permute({2, 0, 1}).to(at::kFloat).mul(2.0 / 255.0).sub(1);
}

std::vector<std::string> ports_of(const Tensors& wanted) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : wanted) names.push_back(name);
  return names;
}

Tensors preprocess(const Context& context, const Case& golden) {
  auto plan =
      plain_plan(*context.registry, "image_encoder", nlohmann::json::object(), encoder_id(golden));
  plan.config = golden.params().at("config");
  Bench bench(context.registry, plan, "precise");
  const auto results =
      bench.run("preprocess", {{GESSO_PORT_PIXELS, {pixels_of(golden.input("image"))}}}, {}, {});
  Tensors outputs;
  for (const std::string& name : ports_of(golden.outputs)) {
    outputs[name] = results.at(name + ".0").unsqueeze(0);
  }
  return outputs;
}

Tensors forward(const Context& context, const Case& golden) {
  const std::string encoder = golden.params().at("encoder");
  Bench bench(context.registry,
              weights_plan(*context.registry, golden, encoder, "image_encoder",
                           golden.compute_dtype(), encoder_id(golden)),
              "precise");
  std::vector<std::pair<std::string, std::vector<at::Tensor>>> ports;
  for (const auto& [name, tensor] : golden.inputs) {
    if (name != "pixel_attention_mask") ports.push_back({name, {tensor[0]}});
  }
  const at::Tensor features = bench.run("forward", ports, {}, {}).at("features.0");
  const bool pooled = golden.outputs.contains("pooled");
  return {{pooled ? "pooled" : "image_embeds", pooled ? features.unsqueeze(0) : features}};
}

std::string generator_id(int64_t version) {
  return version == 2 ? "org.gesso.z_image_i2l_v2.generator" : "org.gesso.z_image_i2l.generator";
}

/// The generator without weights, beside the encoders that it finds by their roles.
Tensors encode_for_lora(const Context& context, const Case& golden) {
  config::PipelinePlan plan;
  plan.name = "case.json";
  plan.registry = context.registry;
  plan.numerics = "precise";
  plan.components = {
      plain_plan(*context.registry, "image2lora", nlohmann::json::object(), generator_id(1))};
  for (const std::string encoder : {"siglip2_g384", "dinov3"}) {
    plan.components.push_back(
        weights_plan(*context.registry, golden, encoder,
                     encoder == "dinov3" ? "dinov3_image_encoder" : "siglip2_image_encoder",
                     golden.compute_dtype(), "org.gesso." + encoder + ".image_encoder"));
  }
  const runtime::Watch nobody;
  const runtime::Parts parts(plan, nobody);
  std::vector<at::Tensor> pixels;
  for (const at::Tensor& image : golden.input_list("image")) pixels.push_back(pixels_of(image));
  auto results = runtime::OperationRun(parts.get("image2lora").component(), GESSO_OP_ENCODE)
                     .feed(GESSO_PORT_PIXELS, pixels)
                     .run(runtime::CallScope(nobody), {});
  return {{"x", at::stack(results.at(GESSO_PORT_FEATURES)).unsqueeze(1)}};
}

std::vector<std::string> targets_of(const runtime::Instance& generator) {
  const auto& table = generator.interface<gesso_delta_generator_t>(GESSO_DELTA_GENERATOR_ID);
  const gesso_target_t* targets = nullptr;
  uint64_t count = 0;
  ErrorText error;
  check(table.targets(generator.self(), &targets, &count, &error.error), error);
  std::vector<std::string> names;
  for (uint64_t i = 0; i < count; ++i) names.emplace_back(targets[i].name);
  return names;
}

Tensors decode_to_lora(const Context& context, const Case& golden) {
  Bench bench(context.registry,
              weights_plan(*context.registry, golden, "image2lora", "image2lora",
                           golden.compute_dtype(), generator_id(golden.params().at("version"))),
              "precise");
  const auto features_E = golden.input("x").flatten(0, 1).unbind(0);
  const auto made = bench.run(GESSO_OP_GENERATE, {{GESSO_PORT_FEATURES, features_E}}, {}, {});
  Tensors outputs;
  const std::vector<std::string> targets = targets_of(bench.instance());
  for (size_t i = 0; i < targets.size(); ++i) {
    outputs[targets[i] + ".lora_A.default.weight"] = made.at(fmt::format("a.{}", i));
    outputs[targets[i] + ".lora_B.default.weight"] = made.at(fmt::format("b.{}", i));
  }
  return outputs;
}

}  // namespace

void add_encoder_kinds(std::map<std::string, Compute>& table) {
  table["image_encoder.preprocess"] = preprocess;
  table["image_encoder.forward"] = forward;
  table["i2l.encode"] = encode_for_lora;
  table["i2l.decode"] = decode_to_lora;
}

}  // namespace gesso::golden
