// The component of image-to-LoRA: operations "encode" and "generate" around a decoder.
#pragma once

#include <ATen/ops/stack.h>
#include <c10/core/InferenceMode.h>

#include <optional>
#include <vector>

#include "gesso/cpp/delta.hpp"
#include "gesso/cpp/training_torch.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "image2lora/decoder.hpp"
#include "image2lora/encode.hpp"

namespace gesso::image2lora {

/// D: PairDecoder or CompressedDecoder. More: TrainingInterface where D can be trained.
template <class Self, class D, template <class> class... More>
class Generator : public Component<Self, ModuleInterface, DeltaGeneratorInterface, More...> {
 public:
  static const std::vector<Op<Self>>& ops() {
    static const std::vector<Op<Self>> list{
        {.name = GESSO_OP_ENCODE,
         .inputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32|bf16"}},
         .outputs = {{GESSO_PORT_FEATURES, "D", kPerItem, "f32|bf16"}},
         .run = &Self::encode,
         .estimate = &Self::estimate_encode},
        {.name = GESSO_OP_GENERATE,
         .inputs = {{GESSO_PORT_FEATURES, "D", kPerItem, "f32|bf16"}},
         .outputs = {{GESSO_PORT_A, "R In", kPerItem, "f32|bf16"},
                     {GESSO_PORT_B, "Out R", kPerItem, "f32|bf16"}},
         .run = &Self::generate,
         .estimate = &Self::estimate_generate}};
    return list;
  }

  void prepare(const Setup& setup) {
    if (setup.weights) decoder_.emplace(setup);
  }

  void encode(const Call& call, const Inputs& inputs, Outputs& outputs) {
    const c10::InferenceMode guard;
    const auto features =
        encode_pictures(this->host(), call, torch::list(inputs, GESSO_PORT_PIXELS));
    for (size_t i = 0; i < features.size(); ++i) {
      outputs.put(GESSO_PORT_FEATURES, static_cast<int32_t>(i), torch::give(features[i]));
    }
  }

  void generate(const Call& call, const Inputs& inputs, Outputs& outputs) {
    const c10::InferenceMode guard;
    D& made_by = decoder();
    const at::Tensor x_NE =
        stack_features(torch::list(inputs, GESSO_PORT_FEATURES), made_by.feature_size());
    const auto given = static_cast<size_t>(x_NE.size(0));
    if (made_by.pictures_used(given) < given) {
      this->host().warn("image-to-LoRA: this model makes a LoRA of one picture; the first of " +
                        std::to_string(given) + " is used");
    }
    for (size_t i = 0; i < made_by.targets().size(); ++i) {
      made_by.prefetch(i + 1);
      const LowRank update = made_by.decode(call, i, x_NE);
      outputs.put(GESSO_PORT_A, static_cast<int32_t>(i), torch::give(update.a_RI.contiguous()));
      outputs.put(GESSO_PORT_B, static_cast<int32_t>(i), torch::give(update.b_OR.contiguous()));
    }
  }

  static const std::vector<TrainedOp<Self>>& trained_ops() {
    static const std::vector<TrainedOp<Self>> list{{GESSO_OP_GENERATE, &Self::train_generate}};
    return list;
  }
  std::unique_ptr<Tape> train_generate(const Call& call, const Inputs& inputs, Outputs& outputs,
                                       const TrainRequest& request) {
    D& made_by = decoder();
    auto trace = std::make_unique<torch::Trace>(request);
    const auto features = torch::list(inputs, GESSO_PORT_FEATURES);
    stack_features(features, made_by.feature_size());  // checks them
    std::vector<torch::Value> x;
    for (size_t i = 0; i < features.size(); ++i) {
      x.push_back(trace->input(GESSO_PORT_FEATURES, static_cast<int32_t>(i), features[i]));
    }
    for (size_t i = 0; i < made_by.targets().size(); ++i) {
      const auto parts = trace->piece(
          call, x,
          [&made_by, i](const Call& c, torch::Leaves& leaves, const std::vector<at::Tensor>& in) {
            const LowRank update = made_by.train(c, leaves, i, at::stack(in));
            return std::vector<at::Tensor>{update.a_RI, update.b_OR};
          });
      trace->output(GESSO_PORT_A, static_cast<int32_t>(i), parts[0], outputs);
      trace->output(GESSO_PORT_B, static_cast<int32_t>(i), parts[1], outputs);
    }
    return trace;
  }

  gesso_estimate_t estimate_encode(const Inputs& inputs) {
    return estimate_encoding(this->host(), inputs.list(GESSO_PORT_PIXELS).size());
  }
  gesso_estimate_t estimate_generate(const Inputs& inputs) {
    return decoder().estimate(inputs.list(GESSO_PORT_FEATURES).size());
  }

  std::span<const gesso_target_t> targets() const {
    return decoder_ ? decoder_->targets() : std::span<const gesso_target_t>();
  }

 private:
  D& decoder() {
    if (!decoder_) {
      throw Error(Status::InvalidArgument, "image-to-LoRA was given no weights file");
    }
    return *decoder_;
  }

  std::optional<D> decoder_;
};

}  // namespace gesso::image2lora
