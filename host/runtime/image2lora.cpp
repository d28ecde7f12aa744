#include "runtime/image2lora.hpp"

#include <fmt/format.h>

#include "engine/weights/safetensors_writer.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/delta_generator.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "runtime/operation_run.hpp"
#include "runtime/sampling.hpp"

namespace gesso::runtime {
namespace {

std::vector<std::string> target_names(const Instance& generator) {
  const auto& table = generator.interface<gesso_delta_generator_t>(GESSO_DELTA_GENERATOR_ID);
  const gesso_target_t* targets = nullptr;
  uint64_t count = 0;
  ErrorText error;
  gesso::check(table.targets(generator.self(), &targets, &count, &error.error), error,
               generator.plan().info->id);
  std::vector<std::string> names;
  for (uint64_t i = 0; i < count; ++i) names.emplace_back(targets[i].name);
  return names;
}

weights::NamedTensor named(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor bf16 = tensor.to(at::kBFloat16).contiguous();
  const auto bytes = static_cast<const std::byte*>(bf16.const_data_ptr());
  const auto owner = std::make_shared<at::Tensor>(bf16);
  return {name, {weights::DType::BF16, bf16.sizes().vec(), {bytes, bf16.nbytes()}, owner}};
}

}  // namespace

std::vector<at::Tensor> lora_features(const Run& run, const std::vector<Picture>& pictures) {
  const Instance& generator = run.parts.get(kGeneratorRole);
  run.begin("image2lora", kGeneratorRole);
  std::vector<at::Tensor> pixels;
  for (const Picture& picture : pictures) {
    pixels.push_back(pixels_from_image(*picture, at::kFloat));
  }
  auto encoded = OperationRun(generator.component(), GESSO_OP_ENCODE)
                     .feed(GESSO_PORT_PIXELS, pixels)
                     .run(run.call, {});
  auto features = take(encoded, GESSO_PORT_FEATURES, pictures.size(), generator.plan().info->id);
  for (size_t i = 0; i < features.size(); ++i) {
    check_finite(features[i], fmt::format("image2lora: the features of picture {}", i + 1));
  }
  return features;
}

GeneratedLora generate_lora(const Run& run, const std::vector<Picture>& pictures) {
  const Instance& generator = run.parts.get(kGeneratorRole);
  const std::string& who = generator.plan().info->id;
  const auto features = lora_features(run, pictures);
  GeneratedLora lora{target_names(generator), {}, {}};
  auto made = OperationRun(generator.component(), GESSO_OP_GENERATE)
                  .feed(GESSO_PORT_FEATURES, features)
                  .run(run.call, {});
  lora.a = take(made, GESSO_PORT_A, lora.targets.size(), who);
  lora.b = take(made, GESSO_PORT_B, lora.targets.size(), who);
  return lora;
}

RequestLoras::RequestLoras(const Run& run) : adapters_(run.adapters) {
  using Side = config::AdapterPlan::Side;
  const GenerateRequest& request = run.request;
  try {
    if (!request.image2lora_images.empty()) {
      add(run, "image2lora_images", request.image2lora_images,
          request.positive_only_lora ? Side::Positive : Side::Both);
    }
    if (!request.negative_image2lora_images.empty() && run.guided()) {
      add(run, "negative_image2lora_images", request.negative_image2lora_images, Side::Negative);
    }
  } catch (...) {
    for (const std::string& name : names_) adapters_.remove(name);
    throw;
  }
}

RequestLoras::~RequestLoras() {
  for (const std::string& name : names_) adapters_.remove(name);
}

void RequestLoras::add(const Run& run, const std::string& name,
                       const std::vector<Picture>& pictures, config::AdapterPlan::Side side) {
  const GeneratedLora lora = generate_lora(run, pictures);
  adapters_.add_generated(name, "denoiser", lora.targets, lora.a, lora.b, side);
  names_.push_back(name);
}

nlohmann::json write_lora(const GeneratedLora& lora, const std::filesystem::path& file) {
  std::vector<weights::NamedTensor> tensors;
  for (size_t i = 0; i < lora.targets.size(); ++i) {
    tensors.push_back(named(lora.targets[i] + ".lora_A.default.weight", lora.a[i]));
    tensors.push_back(named(lora.targets[i] + ".lora_B.default.weight", lora.b[i]));
  }
  weights::write_safetensors(file, tensors, {{"format", "pt"}});
  return {{"path", file.string()},
          {"targets", lora.targets.size()},
          {"tensors", tensors.size()},
          {"rank", lora.a.empty() ? 0 : lora.a.front().size(0)}};
}

}  // namespace gesso::runtime
