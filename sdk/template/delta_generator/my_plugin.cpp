// A delta generator: the mean colour of a picture becomes an update of rank 1 of one weight.
//
// A model of this kind looks at pictures of a style and writes the LoRA that paints so.
#include <gesso/kind/codec.h>
#include <gesso/kind/image_encoder.h>
#include <gesso/kind/text_encoder.h>
#include <algorithm>
#include <array>
#include <gesso/cpp/delta.hpp>

namespace {

/// Of the demo's denoiser; names and sizes must be the denoiser's own.
constexpr int64_t kWidth = 192;
constexpr gesso_target_t kTargets[] = {{"layers.0.attention.to_q", kWidth, kWidth}};

class MyPlugin
    : public gesso::Component<MyPlugin, gesso::ModuleInterface, gesso::DeltaGeneratorInterface> {
 public:
  static constexpr gesso::Info info{
      .id = "org.example.my_plugin.delta_generator",
      .kind = "delta_generator",
      .name = "MyPlugin",
      .version = "1.0.0",
      .summary = "Updates of rank 1 that the mean colour of a picture decides"};

  static const std::vector<gesso::Op<MyPlugin>>& ops() {
    using namespace gesso;
    static const std::vector<Op<MyPlugin>> list{
        {.name = GESSO_OP_ENCODE,
         .inputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
         .outputs = {{GESSO_PORT_FEATURES, "3", kPerItem, "f32"}},
         .run = &MyPlugin::encode},
        {.name = GESSO_OP_GENERATE,
         .inputs = {{GESSO_PORT_FEATURES, "3", kPerItem, "f32"}},
         .outputs = {{GESSO_PORT_A, "R In", kPerItem, "f32"},
                     {GESSO_PORT_B, "Out R", kPerItem, "f32"}},
         .run = &MyPlugin::generate}};
    return list;
  }

  /// One entry for each output pair of "generate".
  std::span<const gesso_target_t> targets() const { return kTargets; }

  void encode(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    int32_t item = 0;
    for (const gesso_tensor_t* pixels : inputs.list(GESSO_PORT_PIXELS)) {
      call.poll();
      const auto from = gesso::numbers<float>(pixels->dl_tensor);
      const int64_t shape[] = {3};
      gesso::Tensor mean = gesso::Tensor::empty(gesso::kF32, shape);
      const auto to = gesso::elements<float>(mean.dl());
      std::fill(to.begin(), to.end(), 0.0f);
      for (size_t i = 0; i < from.size(); ++i) {
        to[i / (from.size() / 3)] += from[i] / static_cast<float>(from.size() / 3);
      }
      outputs.put(GESSO_PORT_FEATURES, item++, std::move(mean));
    }
  }

  /// Several pictures make one set of updates: here, by their mean.
  void generate(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    const auto features = inputs.list(GESSO_PORT_FEATURES);
    std::array<float, 3> colour{};
    for (const gesso_tensor_t* tensor : features) {
      call.poll();
      const auto from = gesso::numbers<float>(tensor->dl_tensor);
      for (size_t c = 0; c < 3; ++c) colour[c] += from[c] / static_cast<float>(features.size());
    }
    const int64_t row[] = {1, kWidth}, column[] = {kWidth, 1};
    gesso::Tensor a = gesso::Tensor::empty(gesso::kF32, row);
    gesso::Tensor b = gesso::Tensor::empty(gesso::kF32, column);
    const auto a_values = gesso::elements<float>(a.dl()), b_values = gesso::elements<float>(b.dl());
    for (size_t i = 0; i < a_values.size(); ++i) a_values[i] = 0.1f * colour[i % 3];
    std::fill(b_values.begin(), b_values.end(), 0.1f);
    outputs.put(GESSO_PORT_A, 0, std::move(a));
    outputs.put(GESSO_PORT_B, 0, std::move(b));
  }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
