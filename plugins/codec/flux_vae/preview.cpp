#include "preview.hpp"

#include <cmath>
#include <iterator>
#include <string>

namespace gesso::flux_vae {
namespace {

/// Fitted by others to FLUX.1's autoencoder; as published with ComfyUI (comfy/latent_formats.py,
/// Flux).
constexpr float kFluxWeight[] = {
    -0.0346f, 0.0244f,  0.0681f,  0.0034f,  0.0210f,  0.0687f,  0.0275f,  -0.0668f,
    -0.0433f, -0.0174f, 0.0160f,  0.0617f,  0.0859f,  0.0721f,  0.0329f,  0.0004f,
    0.0383f,  0.0115f,  0.0405f,  0.0861f,  0.0915f,  -0.0236f, -0.0185f, -0.0259f,
    -0.0245f, 0.0250f,  0.1180f,  0.1008f,  0.0755f,  -0.0421f, -0.0515f, 0.0201f,
    0.0011f,  0.0428f,  -0.0012f, -0.0036f, 0.0817f,  0.0765f,  0.0749f,  -0.1264f,
    -0.0522f, -0.1103f, -0.0280f, -0.0881f, -0.0499f, -0.1262f, -0.0982f, -0.0778f,
};
constexpr float kFluxBias[] = {-0.0329f, -0.0718f, -0.0851f};

}  // namespace

LatentRgb read_latent_rgb(const Values& values, const Config& config) {
  const auto weight = values.reals("config.latent_rgb.weight");
  if (weight.empty()) {
    const bool flux = config.latent_channels == 16 &&
                      std::abs(config.scaling_factor - 0.3611) < 1e-6 &&
                      std::abs(config.shift_factor - 0.1159) < 1e-6;
    if (!flux) return {};
    return {{std::begin(kFluxWeight), std::end(kFluxWeight)},
            {std::begin(kFluxBias), std::end(kFluxBias)}};
  }
  auto bias = values.reals("config.latent_rgb.bias");
  if (bias.empty()) bias.assign(3, 0.0);
  if (static_cast<int64_t>(weight.size()) != 3 * config.latent_channels || bias.size() != 3) {
    throw Error(Status::BadData,
                "config latent_rgb: expected " + std::to_string(3 * config.latent_channels) +
                    " weights and 3 biases, found " + std::to_string(weight.size()) + " and " +
                    std::to_string(bias.size()));
  }
  return {{weight.begin(), weight.end()}, {bias.begin(), bias.end()}};
}

}  // namespace gesso::flux_vae
