#include "runtime/stages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "gesso/cpp/module.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/delta_generator.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "runtime/conditioning.hpp"
#include "runtime/image2lora.hpp"
#include "runtime/operation_run.hpp"

namespace gesso::runtime {
namespace {

constexpr int64_t kUnknown = -1;          // an extent that the module knows itself
constexpr int64_t kTemplateTokens = 64;   // around the prompt
constexpr int64_t kEditPixels = 1 << 20;  // edit images are shrunk to about so many

/// Tensors that have shapes and no data.
class Shapes {
 public:
  Shapes& add(const char* port, int32_t index, std::vector<int64_t> shape, DLDataType dtype) {
    tensors_.emplace_back(weights::TensorView{weights::DType::F32, std::move(shape), {}, nullptr},
                          dtype);
    inputs_.push_back({port, index, tensors_.back().get()});
    return *this;
  }
  const std::vector<Input>& inputs() const { return inputs_; }

 private:
  std::vector<BorrowedTensor> tensors_;
  std::vector<Input> inputs_;
};

class Stages {
 public:
  Stages(const Parts& parts, const config::PipelinePlan& plan, const GenerateRequest& request,
         const LatentGeometry& geometry)
      : parts_(parts), plan_(plan), request_(request), geometry_(geometry) {}

  std::vector<StageNeed> all() {
    compose();
    if (request_.input_image) encode(request_.height, request_.width);
    edit_images();
    for (size_t i = 0; i < request_.controlnet_inputs.size(); ++i) {
      encode(request_.height, request_.width);
    }
    image2lora();
    denoise();
    decode();
    return std::move(stages_);
  }

 private:
  gesso_estimate_t ask(const std::string& role, const char* operation, const Shapes& shapes,
                       const ValueList& values = {}) const {
    const Instance& instance = parts_.get(role);
    try {
      const Watch nobody;
      return ModuleRef(instance.component())
          .estimate(CallScope(nobody).get(), operation, shapes.inputs(), values);
    } catch (const Error& error) {
      parts_.messages().log(
          GESSO_LOG_WARNING,
          fmt::format("memory: {} gives no estimate of \"{}\", so its activations "
                      "are not counted: {}",
                      instance.plan().info->id, operation, error.what()));
      return {sizeof(gesso_estimate_t), 0, 0, 0};
    }
  }

  void add(StageNeed need) {
    std::erase_if(need.roles, [&](const std::string& role) { return !parts_.find(role); });
    stages_.push_back(std::move(need));
  }

  int64_t tokens_of(const std::string& prompt) const {
    int64_t most = plan_.variant->limits.value("max_tokens", int64_t{512});
    if (request_.composer_values.is_object()) {
      most = request_.composer_values.value("max_length", most);
    }
    return std::min(most, static_cast<int64_t>(prompt.size()) + kTemplateTokens);
  }

  std::vector<std::string> prompts() const {
    std::vector<std::string> texts = request_.prompts;
    if (request_.cfg_scale != 1.0) {
      texts.insert(texts.end(), request_.negative_prompts.begin(), request_.negative_prompts.end());
    }
    return texts;
  }

  void compose() {
    if (!parts_.find("text_encoder")) return;
    const auto texts = prompts();
    const std::set<std::string> different(texts.begin(), texts.end());
    Shapes shapes;
    int32_t index = 0;
    for (const std::string& text : different) {
      shapes.add(GESSO_PORT_TOKEN_IDS, index++, {tokens_of(text)}, {kDLInt, 64, 1});
    }
    const auto one = ask("text_encoder", GESSO_OP_ENCODE, shapes);
    add({"compose", "composer", {"text_encoder"}, one.peak_bytes, one.flops, 1});
  }

  void encode(int64_t height, int64_t width) {
    Shapes shapes;
    shapes.add(GESSO_PORT_PIXELS, 0, {3, height, width}, kF32);
    const auto one = ask("codec", GESSO_OP_ENCODE, shapes, tiling(request_));
    add({"encode", "codec", {"codec"}, one.peak_bytes, one.flops, 1});
  }

  void edit_images() {
    if (request_.edit_images.empty()) return;
    Shapes pictures;
    int32_t index = 0;
    for (const Picture& picture : request_.edit_images) {
      const auto [height, width] = edit_size(*picture);
      encode(height, width);
      pictures.add(GESSO_PORT_PIXELS, index++, {3, height, width}, kF32);
    }
    if (!parts_.find("image_encoder")) return;
    const auto one = ask("image_encoder", GESSO_OP_ENCODE, pictures);
    add({"encode", "image_encoder", {"image_encoder"}, one.peak_bytes, one.flops, 1});
  }

  std::pair<int64_t, int64_t> edit_size(const image::Image& picture) const {
    const auto height = static_cast<int64_t>(picture.height);
    const auto width = static_cast<int64_t>(picture.width);
    if (!request_.edit_image_auto_resize || height * width <= kEditPixels) return {height, width};
    const double shrink =
        std::sqrt(static_cast<double>(kEditPixels) / static_cast<double>(height * width));
    return {static_cast<int64_t>(static_cast<double>(height) * shrink),
            static_cast<int64_t>(static_cast<double>(width) * shrink)};
  }

  void image2lora() {
    std::vector<Picture> pictures = request_.image2lora_images;
    pictures.insert(pictures.end(), request_.negative_image2lora_images.begin(),
                    request_.negative_image2lora_images.end());
    if (pictures.empty() || !parts_.find(kGeneratorRole)) return;
    Shapes shapes;
    int32_t index = 0;
    for (const Picture& picture : pictures) {
      shapes.add(GESSO_PORT_PIXELS, index++,
                 {3, static_cast<int64_t>(picture->height), static_cast<int64_t>(picture->width)},
                 kF32);
    }
    const auto one = ask(kGeneratorRole, GESSO_OP_ENCODE, shapes);
    std::vector<std::string> roles;
    for (const auto& instance : parts_.all()) {
      if (instance->plan().info->kind == "image_encoder") roles.push_back(instance->role());
    }
    roles.push_back(kGeneratorRole);
    add({"image2lora", kGeneratorRole, roles, one.peak_bytes, one.flops, 1});
  }

  void denoise() {
    const int64_t height = request_.height / geometry_.pixels_per_cell,
                  width = request_.width / geometry_.pixels_per_cell;
    Shapes shapes;
    int32_t index = 0;
    for (const std::string& text : prompts()) {
      shapes.add(GESSO_PORT_LATENTS, index, {geometry_.channels, height, width}, kF32);
      shapes.add(GESSO_PORT_TEXT, index++, {tokens_of(text), kUnknown}, kF32);
    }
    shapes.add(GESSO_PORT_TIMESTEP, -1, {index}, kF32);
    int32_t image = 0;
    for (const Picture& picture : request_.edit_images) {
      const auto [h, w] = edit_size(*picture);
      shapes.add(GESSO_PORT_IMAGE_LATENTS, image++,
                 {geometry_.channels, h / geometry_.pixels_per_cell, w / geometry_.pixels_per_cell},
                 kF32);
    }
    const auto one = ask("denoiser", GESSO_OP_DENOISE, shapes);
    StageNeed need{"denoise",      "denoiser", {"denoiser"},
                   one.peak_bytes, one.flops,  static_cast<uint64_t>(request_.num_inference_steps)};
    for (const ControlNetInput& control : request_.controlnet_inputs) {
      need.roles.push_back(control.controlnet);
      need.activations += one.peak_bytes;  // its blocks are the denoiser's, beside them
    }
    need.flops *= need.repeats;
    add(std::move(need));
  }

  void decode() {
    Shapes shapes;
    shapes.add(GESSO_PORT_LATENTS, 0,
               {geometry_.channels, request_.height / geometry_.pixels_per_cell,
                request_.width / geometry_.pixels_per_cell},
               kF32);
    const auto one = ask("codec", GESSO_OP_DECODE, shapes, tiling(request_));
    const auto pictures = static_cast<uint64_t>(request_.prompts.size());
    // Bytes are made of pixels in four steps, each of which makes a float32 picture.
    const auto steps = static_cast<uint64_t>(4 * 3 * request_.height * request_.width) * 4;
    add({"decode", "codec", {"codec"}, one.peak_bytes + steps, one.flops * pictures, pictures});
  }

  const Parts& parts_;
  const config::PipelinePlan& plan_;
  const GenerateRequest& request_;
  LatentGeometry geometry_;
  std::vector<StageNeed> stages_;
};

}  // namespace

std::vector<StageNeed> stages_of(const Parts& parts, const config::PipelinePlan& plan,
                                 const GenerateRequest& request, const LatentGeometry& geometry) {
  return Stages(parts, plan, request, geometry).all();
}

}  // namespace gesso::runtime
