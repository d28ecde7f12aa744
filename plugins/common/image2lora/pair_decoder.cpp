// N: pictures, E: numbers of their features, M: inner width, R: rank, I and O: in and out of a
// target.
#include "image2lora/pair_decoder.hpp"

#include "nn/linear.hpp"

namespace gesso::image2lora {
namespace {

enum : uint32_t { kAIn, kAOut, kBIn, kBOut };

std::string block_name(const std::string& group, int64_t block) {
  return group + "_lora.blocks." + std::to_string(block) + ".layers.";
}

/// The file counts the blocks of a group twice: first their attentions, then their feed-forwards.
int64_t count_blocks(const Weights& weights, const std::string& group) {
  int64_t n = 0;
  while (weights.find(block_name(group, n) + "0.proj_a.proj_in.weight")) ++n;
  if (n % 2 != 0) {
    throw Error(Status::Incompatible, group +
                                          "_lora.blocks: expected as many feed-forwards as "
                                          "attentions, found " +
                                          std::to_string(n) + " in all; is the file complete?");
  }
  return n / 2;
}

std::string pair_name(const Target& target, int64_t blocks) {
  const bool attention = target.layer < kAttentionLayers;
  const int64_t block = attention ? target.block : blocks + target.block;
  const size_t layer = attention ? target.layer : target.layer - kAttentionLayers;
  return block_name(target.group, block) + std::to_string(layer);
}

}  // namespace

PairDecoder::PairDecoder(const Setup& setup)
    : Decoder(list_targets(
          [&](const std::string& group) { return count_blocks(setup.weights, group); })) {
  rank_ = setup.values.integer("config.rank", 4);
  for (const Target& target : targets_) {
    const std::string name = pair_name(target, count_blocks(setup.weights, target.group));
    const auto size = [&](const char* weight, size_t axis) {
      return setup.weights.describe(name + weight).shape.at(axis);
    };
    const int64_t inner = size(".proj_a.proj_in.weight", 0);
    const int64_t wide_a = size(".proj_a.proj_out.weight", 0);
    const int64_t wide_b = size(".proj_b.proj_out.weight", 0);
    if (feature_size_ == 0) feature_size_ = size(".proj_a.proj_in.weight", 1);
    if (rank_ < 1 || wide_a % rank_ != 0 || wide_b % rank_ != 0) {
      throw Error(Status::Incompatible, name + ": the projections make " + std::to_string(wide_a) +
                                            " and " + std::to_string(wide_b) +
                                            " numbers, which rank " + std::to_string(rank_) +
                                            " does not divide; is config.json another model's?");
    }
    add_unit(setup.weights,
             {{name + ".proj_a.proj_in.weight", {inner, feature_size_}},
              {name + ".proj_a.proj_out.weight", {wide_a, inner}},
              {name + ".proj_b.proj_in.weight", {inner, feature_size_}},
              {name + ".proj_b.proj_out.weight", {wide_b, inner}}},
             wide_b / rank_, wide_a / rank_);
  }
}

LowRank PairDecoder::decode(const Call& call, size_t index, const at::Tensor& x_NE) {
  const auto w = units_.at(index).enter(call);
  const at::Tensor typed_NE = x_NE.to(w[kAIn].data.scalar_type());
  const auto project = [&](uint32_t in, uint32_t out) {
    return nn::linear(nn::linear(typed_NE, w[in]), w[out]);
  };
  const int64_t n = x_NE.size(0);
  const at::Tensor a_NRI = project(kAIn, kAOut).unflatten(1, {rank_, -1});
  const at::Tensor b_NOR = project(kBIn, kBOut).unflatten(1, {-1, rank_});
  return {a_NRI.mul(1.0 / static_cast<double>(n)).flatten(0, 1), b_NOR.transpose(0, 1).flatten(1)};
}

}  // namespace gesso::image2lora
