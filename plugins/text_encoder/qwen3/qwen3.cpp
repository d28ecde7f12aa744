// Qwen3 as a text encoder: token ids in, the hidden state before its last layer out.
//
// The last layer and the final norm are neither computed nor loaded. Sizes come from the weights;
// rope_theta, rms_norm_eps and num_hidden_layers from the config.json beside them.
//
// | Parameter              | Type | Values          | Default | Meaning |
// |------------------------|------|-----------------|---------|---------------------------------------|
// | rope_inv_freq          | text | auto, f32, bf16 | auto    | bf16: rotary frequencies rounded,
// as  | |                        |      |                 |         | DiffSynth does without memory
// | |                        |      |                 |         | control; auto: bf16 when it
// computes  | |                        |      |                 |         | in bf16 with numerics =
// "diffsynth"   | | token_ids_modulo_vocab | bool |                 | false   | wrap ids into a
// small vocabulary: for | |                        |      |                 |         | tiny models
// with a full tokenizer     |
//
// Example:
//   [components.text_encoder]
//   path = "text_encoder"
//   rope_inv_freq = "auto"
//
// Source: transformers, models/qwen3/modeling_qwen3.py.
#include <c10/core/InferenceMode.h>

#include <optional>

#include "gesso/cpp/module.hpp"
#include "gesso/kind/text_encoder.h"
#include "model.hpp"

namespace gesso::qwen3 {
namespace {

class TextEncoder : public Component<TextEncoder, ModuleInterface, TrainingInterface> {
 public:
  static constexpr Info info{.id = "org.gesso.qwen3.text_encoder",
                             .kind = "text_encoder",
                             .name = "Qwen3",
                             .version = "1.0.0",
                             .summary = "Hidden state before the last layer of Qwen3"};

  static const std::vector<Op<TextEncoder>>& ops() {
    static const std::vector<Op<TextEncoder>> list{
        {.name = GESSO_OP_ENCODE,
         .inputs = {{GESSO_PORT_TOKEN_IDS, "L", kPerItem, "i64"}},
         .outputs = {{GESSO_PORT_TEXT, "L D", kPerItem, "f32|bf16"}},
         .run = &TextEncoder::encode,
         .estimate = &TextEncoder::estimate}};
    return list;
  }
  static const std::vector<TrainedOp<TextEncoder>>& trained_ops() {
    static const std::vector<TrainedOp<TextEncoder>> list{{GESSO_OP_ENCODE, &TextEncoder::train}};
    return list;
  }

  void prepare(const Setup& setup) {
    if (!setup.weights) {
      throw Error(Status::InvalidArgument, "the text encoder was given no weights file");
    }
    model_.emplace(setup);
  }

  void encode(const Call& call, const Inputs& inputs, Outputs& outputs) {
    const c10::InferenceMode guard;
    const auto text = model_->encode(call, torch::list(inputs, GESSO_PORT_TOKEN_IDS));
    for (size_t i = 0; i < text.size(); ++i) {
      outputs.put(GESSO_PORT_TEXT, static_cast<int32_t>(i), torch::give(text[i]));
    }
  }

  std::unique_ptr<Tape> train(const Call& call, const Inputs& inputs, Outputs& outputs,
                              const TrainRequest& request) {
    return model_->train(call, torch::list(inputs, GESSO_PORT_TOKEN_IDS), outputs, request);
  }

  gesso_estimate_t estimate(const Inputs& inputs) {
    const Config& c = model_->config();
    const int64_t q_dim = c.heads * c.head_dim, kv_dim = c.kv_heads * c.head_dim;
    const int64_t per_token = c.hidden * (2 * q_dim + 2 * kv_dim + 3 * c.ffn_dim);
    gesso_estimate_t total{sizeof(gesso_estimate_t), 0,
                           static_cast<uint64_t>(4 * c.hidden * c.ffn_dim), 0};
    for (const gesso_tensor_t* ids : inputs.list(GESSO_PORT_TOKEN_IDS)) {
      const int64_t L = count_of(ids->dl_tensor);
      total.flops += model_->layers_used() * (2 * L * per_token + 4 * L * L * q_dim);
      total.peak_bytes += 4 * L * (4 * c.hidden + 3 * c.ffn_dim);
    }
    return total;
  }

 private:
  std::optional<Model> model_;
};

}  // namespace
}  // namespace gesso::qwen3

GESSO_EXPORT_PLUGIN("org.gesso.qwen3", "1.0.0", "Gesso", "Apache-2.0", gesso::qwen3::TextEncoder)
