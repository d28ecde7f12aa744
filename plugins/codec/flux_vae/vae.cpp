#include "vae.hpp"

#include <algorithm>

namespace gesso::flux_vae {
namespace {

constexpr const char* kDown = "encoder.down_blocks.";
constexpr const char* kUp = "decoder.up_blocks.";

std::string numbered(const std::string& name, int64_t i) { return name + std::to_string(i); }

bool has_residual(const Weights& weights, const std::string& name) {
  return weights.find(name + ".conv1.weight").has_value();
}

int64_t count_levels(const Weights& weights, const std::string& prefix) {
  int64_t n = 0;
  while (has_residual(weights, numbered(prefix, n) + ".resnets.0")) ++n;
  return n;
}

at::Tensor run(const Call& call, const std::vector<std::unique_ptr<Block>>& blocks, at::Tensor x) {
  for (const auto& block : blocks) x = block->forward(call, std::move(x));
  return x;
}

}  // namespace

Vae::Vae(const Setup& setup) {
  const Weights& weights = setup.weights;
  config_.norm_num_groups = setup.values.integer("config.norm_num_groups", 32);
  config_.scaling_factor = setup.values.real("config.scaling_factor", 0.3611);
  config_.shift_factor = setup.values.real("config.shift_factor", 0.1159);

  if (weights.find("encoder.conv_in.weight")) {
    config_.latent_channels = weights.describe("encoder.conv_out.weight").shape.at(0) / 2;
    encoder_ = encoder_blocks(weights);
  }
  if (weights.find("decoder.conv_in.weight")) {
    config_.latent_channels = weights.describe("decoder.conv_in.weight").shape.at(1);
    decoder_ = decoder_blocks(weights);
  }
  if (!encodes() && !decodes()) {
    throw Error(Status::NotFound,
                "neither encoder.conv_in.weight nor decoder.conv_in.weight is there; is this the "
                "file of an autoencoder?");
  }
  const int64_t levels = count_levels(weights, encodes() ? kDown : kUp);
  config_.pixels_per_cell = int64_t{1} << (levels - 1);
}

Vae::Blocks Vae::encoder_blocks(const Weights& weights) {
  Blocks blocks;
  blocks.push_back(convolution(weights, "encoder.conv_in"));
  add_levels(blocks, weights, kDown);
  add_middle(blocks, weights, "encoder.mid_block");
  blocks.push_back(output(weights, "encoder.conv", config_.norm_num_groups));
  return blocks;
}

Vae::Blocks Vae::decoder_blocks(const Weights& weights) {
  Blocks blocks;
  blocks.push_back(convolution(weights, "decoder.conv_in"));
  add_middle(blocks, weights, "decoder.mid_block");
  add_levels(blocks, weights, kUp);
  blocks.push_back(output(weights, "decoder.conv", config_.norm_num_groups));
  return blocks;
}

void Vae::add_middle(Blocks& blocks, const Weights& weights, const std::string& name) {
  const int64_t groups = config_.norm_num_groups;
  blocks.push_back(residual(weights, name + ".resnets.0", groups));
  blocks.push_back(attention(weights, name + ".attentions.0", groups));
  blocks.push_back(residual(weights, name + ".resnets.1", groups));
}

void Vae::add_levels(Blocks& blocks, const Weights& weights, const std::string& prefix) {
  for (int64_t level = 0; level < count_levels(weights, prefix); ++level) {
    const std::string name = numbered(prefix, level);
    const std::string resnets = name + ".resnets.";
    for (int64_t i = 0; has_residual(weights, numbered(resnets, i)); ++i) {
      blocks.push_back(residual(weights, numbered(resnets, i), config_.norm_num_groups));
    }
    if (weights.find(name + ".downsamplers.0.conv.weight")) {
      blocks.push_back(downsample(weights, name + ".downsamplers.0"));
    }
    if (weights.find(name + ".upsamplers.0.conv.weight")) {
      blocks.push_back(upsample(weights, name + ".upsamplers.0"));
    }
  }
}

at::Tensor Vae::encode(const Call& call, const at::Tensor& pixels_3HW) {
  const at::Tensor moments_CHW = run(call, encoder_, pixels_3HW.unsqueeze(0)).squeeze(0);
  const at::Tensor mean_CHW = moments_CHW.narrow(0, 0, config_.latent_channels).to(at::kFloat);
  return mean_CHW.sub(config_.shift_factor).mul(config_.scaling_factor).contiguous();
}

at::Tensor Vae::decode(const Call& call, const at::Tensor& latents_Chw) {
  const at::Tensor z_CHW =
      latents_Chw.to(at::kFloat).div(config_.scaling_factor).add(config_.shift_factor);
  return run(call, decoder_, z_CHW.unsqueeze(0)).squeeze(0).to(at::kFloat).contiguous();
}

gesso_estimate_t Vae::estimate(bool encoding, int64_t height, int64_t width) const {
  gesso_estimate_t total{sizeof(gesso_estimate_t), 0, 0, 0};
  uint64_t before = 0;
  for (const auto& block : encoding ? encoder_ : decoder_) {
    const Block::Work work = block->work(height, width);
    total.flops += work.flops;
    // Input, its normed copy, result, and as much again for a convolution's own order of memory;
    // in float32, the widest type.
    total.peak_bytes = std::max(total.peak_bytes, 4 * (2 * before + 3 * work.elements));
    before = work.elements;
  }
  return total;
}

}  // namespace gesso::flux_vae
