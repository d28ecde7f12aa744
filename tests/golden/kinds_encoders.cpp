// Image encoders and image-to-LoRA.
#include <fmt/format.h>

#include "components.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/image_encoder.h"
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

}  // namespace

void add_encoder_kinds(std::map<std::string, Compute>& table) {
  table["image_encoder.preprocess"] = preprocess;
  table["image_encoder.forward"] = forward;
}

}  // namespace gesso::golden
