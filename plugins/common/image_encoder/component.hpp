// The component of an image encoder: three operations around a frame (what pixels become before the
// network) and a model (the network).
//
//   encode      pixels -> features: preprocess, then forward
//   preprocess  pixels -> pixel_values ...: what the reference calls its processor
//   forward     pixel_values ... -> features: for pictures that were preprocessed elsewhere
//
// A frame has a type Values and
//   static Frame read(const Setup&)
//   Values preprocess(const at::Tensor& bytes_3HW) const
//   std::vector<Values> take(const Inputs&) const;  void put(const Values&, int32_t, Outputs&)
//   const int64_t tokens(Size) const                       of a picture of this size
// a model
//   Model(const Setup&, const Frame&)
//   std::vector<at::Tensor> encode(const Call&, const std::vector<Values>&)
//   gesso_estimate_t estimate(int64_t tokens) const
#pragma once

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "gesso/kind/codec.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "image_encoder/layers.hpp"
#include "image_encoder/picture.hpp"

namespace gesso::image_encoder {

inline constexpr const char* kPreprocess = "preprocess";
inline constexpr const char* kForward = "forward";
inline constexpr const char* kPixelValues = "pixel_values";

template <class Self, class Frame, class Model>
class ImageEncoder : public Component<Self, ModuleInterface> {
 public:
  /// Those of an encoder whose frame is a square; others hide them.
  static const std::vector<Op<Self>>& ops() {
    static const std::vector<Op<Self>> list = ops_over({{kPixelValues, "3 S S", kPerItem, "f32"}},
                                                       {{kPixelValues, "3 S S", kPerItem, "f32"}});
    return list;
  }

  void prepare(const Setup& setup) {
    frame_ = Frame::read(setup);
    if (setup.weights) model_.emplace(setup, frame_);
  }

  void encode(const Call& call, const Inputs& inputs, Outputs& outputs) {
    const c10::InferenceMode guard;
    run(call, preprocessed(inputs), outputs);
  }
  void preprocess(const Call&, const Inputs& inputs, Outputs& outputs) {
    const c10::InferenceMode guard;
    int32_t item = 0;
    for (const auto& values : preprocessed(inputs)) frame_.put(values, item++, outputs);
  }
  void forward(const Call& call, const Inputs& inputs, Outputs& outputs) {
    const c10::InferenceMode guard;
    run(call, frame_.take(inputs), outputs);
  }

  /// Pictures run one after another inside each layer; their states are all kept.
  gesso_estimate_t estimate_encode(const Inputs& inputs) {
    gesso_estimate_t total{sizeof(gesso_estimate_t), 0, 0, 0};
    uint64_t largest = 0;
    size_t item = 0;
    for (const gesso_tensor_t* pixels : inputs.list(GESSO_PORT_PIXELS)) {
      const Size size = picture_size(shape_of(pixels->dl_tensor), item++);
      const gesso_estimate_t one = model().estimate(frame_.tokens(size));
      const auto taken_apart = static_cast<uint64_t>(5 * 3 * size.height * size.width);
      largest = std::max({largest, one.peak_bytes, taken_apart});
      total.peak_bytes += one.peak_bytes / 4;  // the state, and pixel values about as large
      total.flops += one.flops;
    }
    total.peak_bytes += largest;
    return total;
  }

 protected:
  static std::vector<Op<Self>> ops_over(const std::vector<Port>& preprocessed,
                                        const std::vector<Port>& forwarded) {
    const std::vector<Port> pixels{{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32|bf16"}};
    const std::vector<Port> features{
        {GESSO_PORT_FEATURES, Self::kFeatureDims, kPerItem, "f32|bf16"}};
    return {
        {.name = GESSO_OP_ENCODE,
         .inputs = pixels,
         .outputs = features,
         .run = &Self::encode,
         .estimate = &Self::estimate_encode},
        {.name = kPreprocess, .inputs = pixels, .outputs = preprocessed, .run = &Self::preprocess},
        {.name = kForward, .inputs = forwarded, .outputs = features, .run = &Self::forward}};
  }

 private:
  using Values = typename Frame::Values;

  Model& model() {
    if (!model_) {
      throw Error(Status::InvalidArgument, "the image encoder was given no weights file");
    }
    return *model_;
  }
  std::vector<Values> preprocessed(const Inputs& inputs) const {
    std::vector<Values> values;
    for (const at::Tensor& pixels_3HW : torch::list(inputs, GESSO_PORT_PIXELS)) {
      values.push_back(frame_.preprocess(bytes_of(pixels_3HW, values.size())));
    }
    return values;
  }
  void run(const Call& call, const std::vector<Values>& values, Outputs& outputs) {
    const auto features = model().encode(call, values);
    for (size_t i = 0; i < features.size(); ++i) {
      outputs.put(GESSO_PORT_FEATURES, static_cast<int32_t>(i),
                  torch::give(features[i].contiguous()));
    }
  }

  Frame frame_;
  std::optional<Model> model_;
};

/// The part of a frame that all square ones share: pictures are squeezed to `side` x `side` pixels.
struct SquareFrame {
  using Values = at::Tensor;  // pixel_values [3, side, side]

  int64_t side = 0, patch = 0;

  void put(const at::Tensor& values_3SS, int32_t item, Outputs& outputs) const;
  /// @throws Error  InvalidArgument for another shape
  std::vector<at::Tensor> take(const Inputs& inputs) const;
  int64_t patches() const { return side / patch * (side / patch); }
};

}  // namespace gesso::image_encoder
