#include "image2lora/encode.hpp"

#include <ATen/ops/cat.h>

#include <algorithm>

#include "gesso/cpp/torch.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "image_encoder/cover_crop.hpp"

namespace gesso::image2lora {
namespace {

constexpr int64_t kSide = 1024;

ModuleRef encoder(const Host& host, const char* role) {
  try {
    return ModuleRef(host.sibling(role));
  } catch (const Error& e) {
    throw Error(e.status(), std::string("image-to-LoRA looks at pictures through the role \"") +
                                role + "\": " + e.what() + "; name its weights in [components." +
                                role + "]");
  }
}

at::Tensor vector_of(Output& output, const char* role) {
  at::Tensor features = torch::adopt(std::move(output.tensor));
  if (features.dim() != 1) {
    throw Error(Status::Incompatible,
                std::string("role \"") + role + "\": expected one vector for each picture, found " +
                    shape_text(features.sizes()) + "; does another encoder fill this role?");
  }
  return features;
}

std::vector<at::Tensor> run(const Host& host, const Call& call, const char* role,
                            const std::vector<at::Tensor>& pixels_3SS) {
  std::vector<Tensor> lent;
  std::vector<Input> inputs;
  for (const at::Tensor& pixels : pixels_3SS) {
    lent.push_back(torch::give(pixels));
    inputs.push_back({GESSO_PORT_PIXELS, static_cast<int32_t>(inputs.size()), lent.back().get()});
  }
  std::vector<at::Tensor> features(pixels_3SS.size());
  for (Output& output : encoder(host, role).run(call.get(), GESSO_OP_ENCODE, inputs)) {
    features.at(static_cast<size_t>(output.index)) = vector_of(output, role);
  }
  for (const at::Tensor& feature : features) {
    if (feature.defined()) continue;
    throw Error(Status::Internal, std::string("role \"") + role + "\" left a picture out");
  }
  return features;
}

}  // namespace

std::vector<at::Tensor> encode_pictures(const Host& host, const Call& call,
                                        const std::vector<at::Tensor>& pixels_3HW) {
  if (pixels_3HW.empty()) throw Error(Status::InvalidArgument, "encode: no pixels were given");
  std::vector<at::Tensor> frames_3SS;
  for (const at::Tensor& pixels : pixels_3HW) {
    call.poll();
    const at::Tensor bytes = image_encoder::bytes_of(pixels, frames_3SS.size());
    frames_3SS.push_back(
        image_encoder::pixels_of(image_encoder::cover_crop(bytes, {kSide, kSide})));
  }
  const auto first = run(host, call, kEncoderRoles[0], frames_3SS);
  const auto second = run(host, call, kEncoderRoles[1], frames_3SS);
  std::vector<at::Tensor> joined_E;
  for (size_t i = 0; i < first.size(); ++i) {
    const bool same = first[i].scalar_type() == second[i].scalar_type();
    const at::ScalarType type = same ? first[i].scalar_type() : at::kFloat;
    joined_E.push_back(at::cat({first[i].to(type), second[i].to(type)}));
  }
  return joined_E;
}

gesso_estimate_t estimate_encoding(const Host& host, size_t pictures) {
  int64_t shape[] = {3, kSide, kSide};
  gesso_tensor_t frame{};  // a shape without data
  frame.dl_tensor = {nullptr, {kDLCPU, 0}, 3, kF32, shape, nullptr, 0};
  std::vector<Input> inputs;
  for (size_t i = 0; i < pictures; ++i) {
    inputs.push_back({GESSO_PORT_PIXELS, static_cast<int32_t>(i), &frame});
  }
  gesso_estimate_t total{sizeof(gesso_estimate_t), 0, 0, 0};
  for (const char* role : kEncoderRoles) {
    const gesso_estimate_t one = encoder(host, role).estimate(nullptr, GESSO_OP_ENCODE, inputs);
    total.flops += one.flops;
    total.peak_bytes = std::max(total.peak_bytes, one.peak_bytes);
  }
  total.peak_bytes += pictures * 3 * kSide * kSide * 4;  // the frames
  return total;
}

}  // namespace gesso::image2lora
