// The components of this plugin, one file each.
#pragma once

#include <gesso/cpp/module.hpp>

namespace pixel_art {

/// Text features: how often each pair of letters occurs, in 64 counters.
class Composer : public gesso::Component<Composer, gesso::ModuleInterface> {
 public:
  static constexpr gesso::Info info{
      .id = "org.example.pixel_art.composer",
      .kind = "composer",
      .name = "Letter pairs",
      .version = "1.0.0",
      .summary = "Counts pairs of letters; needs no tokenizer and no text encoder"};
  static const std::vector<gesso::Op<Composer>>& ops();
  void compose(const gesso::Call&, const gesso::Inputs& inputs, gesso::Outputs& outputs);
};

/// Latents are colours: three channels, one cell for each square of 4 by 4 pixels.
class Codec : public gesso::Component<Codec, gesso::ModuleInterface, gesso::CodecInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.pixel_art.codec",
                                    .kind = "codec",
                                    .name = "Big pixels",
                                    .version = "1.0.0",
                                    .summary = "A latent cell is a square of one colour"};
  static const std::vector<gesso::Op<Codec>>& ops();
  void encode(const gesso::Call&, const gesso::Inputs& inputs, gesso::Outputs& outputs);
  void decode(const gesso::Call&, const gesso::Inputs& inputs, gesso::Outputs& outputs);

  uint32_t channels() const { return 3; }
  uint32_t pixels_per_cell() const { return 4; }
  /// A latent is a colour already.
  bool preview(std::vector<float>& weight, std::vector<float>& bias) const {
    weight = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    bias = {0, 0, 0};
    return true;
  }
};

}  // namespace pixel_art
