// N: pictures, E: numbers of their features, R: rank, I and O: in and out of a target.
#include "image2lora/compressed_decoder.hpp"

#include <ATen/ops/mm.h>

#include "gesso/cpp/training_torch.hpp"
#include "nn/linear.hpp"
#include "nn/trainable.hpp"

namespace gesso::image2lora {
namespace {

enum : uint32_t { kA, kB, kProj, kProjBias };

/// The file's name of a target: dots became three underscores.
std::string entry_name(const Target& target) {
  std::string name = target.name();
  for (size_t at = name.find('.'); at != std::string::npos; at = name.find('.', at)) {
    name.replace(at, 1, "___");
  }
  return "module_dict." + name;
}

int64_t count_blocks(const Weights& weights, const std::string& group) {
  int64_t n = 0;
  while (weights.find(entry_name({group, n, 0}) + ".lora_a")) ++n;
  return n;
}

}  // namespace

CompressedDecoder::CompressedDecoder(const Setup& setup)
    : Decoder(list_targets(
          [&](const std::string& group) { return count_blocks(setup.weights, group); })) {
  for (const Target& target : targets_) {
    const std::string name = entry_name(target);
    const auto size = [&](const char* weight, size_t axis) {
      return setup.weights.describe(name + weight).shape.at(axis);
    };
    if (rank_ == 0) {
      rank_ = size(".lora_a", 0);
      feature_size_ = size(".proj.weight", 1);
    }
    const int64_t in = size(".lora_a", 1), out = size(".lora_b", 0);
    add_unit(setup.weights,
             {{name + ".lora_a", {rank_, in}},
              {name + ".lora_b", {out, rank_}},
              {name + ".proj.weight", {rank_ * rank_, feature_size_}},
              {name + ".proj.bias", {rank_ * rank_}}},
             out, in);
  }
}

LowRank CompressedDecoder::decode(const Call& call, size_t index, const at::Tensor& x_NE) {
  const auto w = units_.at(index).enter(call);
  const at::Tensor first_1E = x_NE.narrow(0, 0, 1).to(w[kProj].data.scalar_type());
  const at::Tensor mix_RR = nn::linear(first_1E, w[kProj], w[kProjBias].data).view({rank_, rank_});
  return {at::mm(mix_RR, with_updates(w[kA])), with_updates(w[kB]).clone()};
}

LowRank CompressedDecoder::train(const Call& call, torch::Leaves& leaves, size_t index,
                                 const at::Tensor& x_NE) {
  const auto& w = leaves.enter(call, units_.at(index).unit());
  const at::Tensor first_1E = x_NE.narrow(0, 0, 1).to(w[kProj].data.scalar_type());
  const at::Tensor mix_RR =
      nn::trainable::linear(first_1E, w[kProj], w[kProjBias].data).view({rank_, rank_});
  return {at::mm(mix_RR, w[kA].data), w[kB].data.clone()};
}

}  // namespace gesso::image2lora
