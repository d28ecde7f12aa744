// A denoiser that knows one picture for each prompt: a flat colour.
//
// The velocity is d x / d sigma = (x - clean) / sigma, where `clean` is what the model believes the
// picture to be. Put your network in the place of `believe`; samples/plugins/album shows weights.
#include <gesso/kind/codec.h>
#include <gesso/kind/denoiser.h>
#include <gesso/kind/text_encoder.h>
#include <algorithm>
#include <cmath>
#include <gesso/cpp/module.hpp>

namespace {

class MyPlugin : public gesso::Component<MyPlugin, gesso::ModuleInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.my_plugin.denoiser",
                                    .kind = "denoiser",
                                    .name = "MyPlugin",
                                    .version = "1.0.0",
                                    .summary = "A flat colour that the prompt decides"};

  static const std::vector<gesso::Op<MyPlugin>>& ops() {
    using namespace gesso;
    static const std::vector<Op<MyPlugin>> list{
        {.name = GESSO_OP_DENOISE,
         .inputs = {{GESSO_PORT_LATENTS, "C H W", kPerItem, "f32"},
                    {GESSO_PORT_TIMESTEP, "B", 0, "f32"},
                    {GESSO_PORT_TEXT, "L D", kPerItem, "f32"}},
         .outputs = {{GESSO_PORT_PREDICTION, "C H W", kPerItem, "f32"}},
         .run = &MyPlugin::denoise,
         .estimate = &MyPlugin::estimate}};
    return list;
  }

  void denoise(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    const auto latents = inputs.list(GESSO_PORT_LATENTS), texts = inputs.list(GESSO_PORT_TEXT);
    const auto timesteps = gesso::numbers<float>(inputs.one(GESSO_PORT_TIMESTEP)->dl_tensor);
    if (texts.size() != latents.size() || timesteps.size() != latents.size()) {
      throw gesso::Error(gesso::Status::InvalidArgument,
                         "as many latents, timesteps and texts are needed");
    }
    for (size_t item = 0; item < latents.size(); ++item) {
      call.poll();  // once per block of a network
      const DLTensor& x = latents[item]->dl_tensor;
      const float sigma = std::max(timesteps[item] / 1000, 1e-3f);
      gesso::Tensor velocity = gesso::Tensor::empty(gesso::kF32, gesso::shape_of(x));
      const auto from = gesso::numbers<float>(x);
      const auto to = gesso::elements<float>(velocity.dl());
      const auto text = gesso::numbers<float>(texts[item]->dl_tensor);
      const int64_t width = texts[item]->dl_tensor.shape[1], plane = x.shape[1] * x.shape[2];
      for (size_t i = 0; i < from.size(); ++i) {
        to[i] = (from[i] - believe(text, width, static_cast<int64_t>(i) / plane)) / sigma;
      }
      outputs.put(GESSO_PORT_PREDICTION, static_cast<int32_t>(item), std::move(velocity));
    }
  }

  /// What one run needs beside inputs and weights, from shapes alone.
  gesso_estimate_t estimate(const gesso::Inputs& inputs) {
    gesso_estimate_t made{sizeof(gesso_estimate_t), 0, 0, 0};
    for (const gesso_tensor_t* x : inputs.list(GESSO_PORT_LATENTS))
      made.peak_bytes += uint64_t(gesso::count_of(x->dl_tensor)) * sizeof(float);
    return made;
  }

 private:
  /// One number of a channel, out of one number of the text's last token.
  static float believe(const std::vector<float>& text, int64_t width, int64_t channel) {
    if (channel >= std::min<int64_t>(width, 3) || text.empty()) return 0;
    return 2 * std::tanh(text[text.size() - size_t(width) + size_t(channel)]);
  }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
