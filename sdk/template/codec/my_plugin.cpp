// A codec that is a linear map: one cell of 16 numbers for each square of 8 by 8 pixels.
//
// The table is the demo model's: most of what its latents mean. Squares have one colour each.
#include <gesso/kind/codec.h>
#include <gesso/kind/text_encoder.h>
#include <gesso/cpp/module.hpp>

namespace {

constexpr int64_t kChannels = 16, kSide = 8;
/// Colour = bias + sum of latent[channel] * row, over these three channels; and the way back.
constexpr int64_t kUsed[3] = {0, 1, 4};
constexpr float kToColour[3][3] = {{0.11028f, 0.19526f, 0.28094f},
                                   {0.21155f, 0.05116f, -0.11896f},
                                   {0.07611f, -0.14670f, 0.07226f}};
constexpr float kBias[3] = {0.75669f, 0.62376f, 0.46708f};
constexpr float kFromColour[3][3] = {{0.85526f, 3.44001f, 2.33803f},
                                     {1.51350f, 0.83405f, -4.51127f},
                                     {2.17183f, -1.93003f, 2.21767f}};

class MyPlugin : public gesso::Component<MyPlugin, gesso::ModuleInterface, gesso::CodecInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.my_plugin.codec",
                                    .kind = "codec",
                                    .name = "MyPlugin",
                                    .version = "1.0.0",
                                    .summary = "Squares of one colour, by a linear map"};

  static const std::vector<gesso::Op<MyPlugin>>& ops() {
    using namespace gesso;
    static const std::vector<Op<MyPlugin>> list{
        {.name = GESSO_OP_ENCODE,
         .inputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
         .outputs = {{GESSO_PORT_LATENTS, "16 h w", kPerItem, "f32"}},
         .run = &MyPlugin::encode},
        {.name = GESSO_OP_DECODE,
         .inputs = {{GESSO_PORT_LATENTS, "16 h w", kPerItem, "f32"}},
         .outputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
         .run = &MyPlugin::decode}};
    return list;
  }

  uint32_t channels() const { return kChannels; }
  uint32_t pixels_per_cell() const { return kSide; }
  /// What the picture looks like while it is made: the same map.
  bool preview(std::vector<float>& weight, std::vector<float>& bias) const {
    weight.assign(kChannels * 3, 0);
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t c = 0; c < 3; ++c)
        weight[static_cast<size_t>(kUsed[i] * 3 + c)] = kToColour[i][c];
    bias.assign(kBias, kBias + 3);
    return true;
  }

  void encode(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    int32_t item = 0;
    for (const gesso_tensor_t* pixels : inputs.list(GESSO_PORT_PIXELS)) {
      call.poll();
      outputs.put(GESSO_PORT_LATENTS, item++, encode_one(pixels->dl_tensor));
    }
  }
  void decode(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    int32_t item = 0;
    for (const gesso_tensor_t* latents : inputs.list(GESSO_PORT_LATENTS)) {
      call.poll();
      outputs.put(GESSO_PORT_PIXELS, item++, decode_one(latents->dl_tensor));
    }
  }

 private:
  static gesso::Tensor encode_one(const DLTensor& picture) {
    if (picture.shape[1] % kSide != 0 || picture.shape[2] % kSide != 0) {
      throw gesso::Error(gesso::Status::InvalidArgument,
                         "expected a picture whose sides are multiples of 8, found " +
                             gesso::shape_text(gesso::shape_of(picture)));
    }
    const auto from = gesso::numbers<float>(picture);
    const int64_t height = picture.shape[1] / kSide, width = picture.shape[2] / kSide;
    const int64_t shape[] = {kChannels, height, width};
    gesso::Tensor latents = gesso::Tensor::empty(gesso::kF32, shape);
    const auto to = gesso::elements<float>(latents.dl());
    for (float& value : to) value = 0;
    for (int64_t i = 0; i < gesso::count_of(picture); ++i) {
      const int64_t c = i / (picture.shape[1] * picture.shape[2]);
      const int64_t y = i / picture.shape[2] % picture.shape[1], x = i % picture.shape[2];
      const float part = (from[static_cast<size_t>(i)] - kBias[c]) / (kSide * kSide);
      for (int64_t k = 0; k < 3; ++k) {
        const int64_t cell = (kUsed[k] * height + y / kSide) * width + x / kSide;
        to[static_cast<size_t>(cell)] += part * kFromColour[c][k];
      }
    }
    return latents;
  }

  static gesso::Tensor decode_one(const DLTensor& latents) {
    const auto from = gesso::numbers<float>(latents);
    const int64_t height = latents.shape[1], width = latents.shape[2];
    const int64_t shape[] = {3, height * kSide, width * kSide};
    gesso::Tensor picture = gesso::Tensor::empty(gesso::kF32, shape);
    const auto to = gesso::elements<float>(picture.dl());
    for (int64_t i = 0; i < gesso::count_of(picture.dl()); ++i) {
      const int64_t c = i / (shape[1] * shape[2]);
      const int64_t y = i / shape[2] % shape[1], x = i % shape[2];
      float colour = kBias[c];
      for (int64_t k = 0; k < 3; ++k) {
        const int64_t cell = (kUsed[k] * height + y / kSide) * width + x / kSide;
        colour += from[static_cast<size_t>(cell)] * kToColour[k][c];
      }
      to[static_cast<size_t>(i)] = colour;
    }
    return picture;
  }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
