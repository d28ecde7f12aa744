// An image encoder: the mean colour of each square of 16 by 16 pixels.
#include <gesso/kind/codec.h>
#include <gesso/kind/image_encoder.h>
#include <gesso/kind/text_encoder.h>
#include <algorithm>
#include <gesso/cpp/module.hpp>

namespace {

constexpr int64_t kSide = 16;

class MyPlugin : public gesso::Component<MyPlugin, gesso::ModuleInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.my_plugin.image_encoder",
                                    .kind = "image_encoder",
                                    .name = "MyPlugin",
                                    .version = "1.0.0",
                                    .summary = "The mean colour of each square"};

  static const std::vector<gesso::Op<MyPlugin>>& ops() {
    static const std::vector<gesso::Op<MyPlugin>> list{
        {.name = GESSO_OP_ENCODE,
         .inputs = {{GESSO_PORT_PIXELS, "3 H W", gesso::kPerItem, "f32"}},
         .outputs = {{GESSO_PORT_FEATURES, "h w D", gesso::kPerItem, "f32"}},
         .run = &MyPlugin::encode}};
    return list;
  }

  void encode(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    int32_t item = 0;
    for (const gesso_tensor_t* pixels : inputs.list(GESSO_PORT_PIXELS)) {
      call.poll();
      outputs.put(GESSO_PORT_FEATURES, item++, mean_colours(pixels->dl_tensor));
    }
  }

 private:
  static gesso::Tensor mean_colours(const DLTensor& picture) {
    const auto from = gesso::numbers<float>(picture);
    const int64_t height = picture.shape[1], width = picture.shape[2];
    const int64_t shape[] = {(height + kSide - 1) / kSide, (width + kSide - 1) / kSide, 3};
    gesso::Tensor features = gesso::Tensor::empty(gesso::kF32, shape);
    const auto to = gesso::elements<float>(features.dl());
    std::fill(to.begin(), to.end(), 0.0f);
    for (int64_t y = 0; y < height; ++y) {
      const int64_t rows = std::min(kSide, height - y / kSide * kSide);
      for (int64_t x = 0; x < width; ++x) {
        const int64_t columns = std::min(kSide, width - x / kSide * kSide);
        float* cell = &to[static_cast<size_t>(((y / kSide) * shape[1] + x / kSide) * 3)];
        for (int64_t c = 0; c < 3; ++c) {
          const float pixel = from[static_cast<size_t>((c * height + y) * width + x)];
          cell[c] += pixel / static_cast<float>(rows * columns);
        }
      }
    }
    return features;
  }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
