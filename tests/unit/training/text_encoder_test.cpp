// Gradients of the text encoder against a plain Qwen3 in double precision under autograd.
#include <doctest/doctest.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <limits>

#include "gesso/kind/text_encoder.h"
#include "plain_gradients.hpp"
#include "runtime/parts.hpp"
#include "runtime/training/taped_run.hpp"
#include "small_components.hpp"

using namespace gesso;

namespace {

constexpr int64_t kLayers = 3, kHeadDim = 16;
constexpr double kEps = 1e-6, kTheta = 1e6;

/// The model of transformers up to the input of its last layer, from its weights' names.
class PlainQwen {
 public:
  explicit PlainQwen(const Leaves& weights) : weights_(weights) {}

  at::Tensor encode(const at::Tensor& ids) const {
    at::Tensor x_LD = weights_.at("model.embed_tokens.weight").index_select(0, ids);
    for (int64_t i = 0; i + 1 < kLayers; ++i) {
      const std::string layer = "model.layers." + std::to_string(i);
      x_LD = x_LD + attend(layer + ".self_attn.", norm(layer + ".input_layernorm", x_LD));
      const at::Tensor n_LD = norm(layer + ".post_attention_layernorm", x_LD);
      const at::Tensor gated =
          at::silu(linear(layer + ".mlp.gate_proj", n_LD)) * linear(layer + ".mlp.up_proj", n_LD);
      x_LD = x_LD + linear(layer + ".mlp.down_proj", gated);
    }
    return x_LD;
  }

 private:
  at::Tensor linear(const std::string& name, const at::Tensor& x) const {
    return x.matmul(weights_.at(name + ".weight").t());
  }
  at::Tensor norm(const std::string& name, const at::Tensor& x) const {
    const at::Tensor mean = x.square().mean(at::IntArrayRef{-1}, /*keepdim=*/true);
    return x / (mean + kEps).sqrt() * weights_.at(name + ".weight");
  }
  static at::Tensor rotated(const at::Tensor& x_LHK) {
    const at::Tensor frequency = at::pow(at::full({}, kTheta, at::kDouble),
                                         -at::arange(0, kHeadDim, 2, at::kDouble) / kHeadDim);
    const at::Tensor position = at::arange(x_LHK.size(0), at::kDouble);
    const at::Tensor half = position.unsqueeze(1) * frequency;
    const at::Tensor angle = at::cat({half, half}, 1).unsqueeze(1);
    const auto halves = x_LHK.chunk(2, -1);
    return x_LHK * angle.cos() + at::cat({-halves[1], halves[0]}, -1) * angle.sin();
  }
  at::Tensor attend(const std::string& name, const at::Tensor& x_LD) const {
    const auto heads = [&](const char* part) {
      return linear(name + part, x_LD).unflatten(-1, {-1, kHeadDim});
    };
    const at::Tensor q_HLK = rotated(norm(name + "q_norm", heads("q_proj"))).transpose(0, 1);
    const at::Tensor k_GLK = rotated(norm(name + "k_norm", heads("k_proj"))).transpose(0, 1);
    const at::Tensor v_GLK = heads("v_proj").transpose(0, 1);
    const int64_t group = q_HLK.size(0) / k_GLK.size(0);
    const auto spread = [&](const at::Tensor& t) { return t.repeat_interleave(group, 0); };
    const int64_t length = x_LD.size(0);
    const at::Tensor later =
        at::full({length, length}, -std::numeric_limits<double>::infinity(), at::kDouble).triu(1);
    const at::Tensor scores =
        q_HLK.matmul(spread(k_GLK).transpose(1, 2)) / std::sqrt(double{kHeadDim}) + later;
    const at::Tensor mixed = at::softmax(scores, -1).matmul(spread(v_GLK));
    return linear(name + "o_proj", mixed.transpose(0, 1).flatten(1));
  }

  const Leaves& weights_;
};

}  // namespace

TEST_CASE("gradients of the text encoder are those of a plain Qwen3 in double precision") {
  config::PipelinePlan plan;
  plan.name = "test.toml";
  plan.numerics = "precise";
  plan.registry = scan_plugins();
  plan.components = {component(*plan.registry, "text_encoder", "org.gesso.qwen3.text_encoder",
                               "text_encoder/model.safetensors", {{"num_hidden_layers", kLayers}})};
  const runtime::Watch nobody;
  const runtime::CallScope call(nobody);
  const runtime::Parts parts(plan, nobody);
  runtime::Instance& encoder = parts.get("text_encoder");
  runtime::Parameters parameters(encoder);
  parameters.train_weights([](const std::string&) { return true; });
  parameters.show(true);

  // Two prompts of different lengths, one with an id twice.
  const std::vector<at::Tensor> ids{at::tensor({3, 77, 500, 77, 999}, at::kLong),
                                    at::tensor({12, 0, 8}, at::kLong)};
  const std::vector<at::Tensor> upstream{random({5, 48}, 1), random({3, 48}, 2)};
  const Leaves leaves = leaves_of(parameters);
  const PlainQwen plain(leaves);
  std::vector<at::Tensor> expected;
  at::Tensor loss;
  {
    const at::AutoGradMode mode(true);
    loss = at::zeros({}, at::kDouble);
    for (size_t i = 0; i < ids.size(); ++i) {
      expected.push_back(plain.encode(ids[i]));
      loss = loss + (expected.back() * upstream[i].to(at::kDouble)).sum();
    }
  }
  const auto grads = gradients_of(loss, parameters, leaves);
  CHECK(grads.size() == 1 + 11 * (kLayers - 1));

  for (const int32_t checkpoint : {GESSO_CHECKPOINT_BLOCKS, GESSO_CHECKPOINT_NONE}) {
    CAPTURE(checkpoint);
    parameters.clear_gradients();
    runtime::TapedRun run(encoder, GESSO_OP_ENCODE);
    auto made = run.feed(GESSO_PORT_TOKEN_IDS, ids).forward(call, {}, checkpoint);
    for (size_t i = 0; i < ids.size(); ++i) {
      const at::Tensor text = made[GESSO_PORT_TEXT].at(i).to(at::kDouble);
      CHECK(text.sub(expected[i]).abs().max().item<double>() <=
            1e-5 * expected[i].abs().max().item<double>());
    }
    run.backward(call, {{GESSO_PORT_TEXT, upstream}}, parameters.sink());
    check_gradients(parameters, grads);
  }
}
