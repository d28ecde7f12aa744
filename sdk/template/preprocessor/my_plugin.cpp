// A preprocessor: the picture in negative.
#include <gesso/kind/codec.h>
#include <gesso/kind/preprocessor.h>
#include <algorithm>
#include <gesso/cpp/module.hpp>

namespace {

class MyPlugin : public gesso::Component<MyPlugin, gesso::ModuleInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.my_plugin.preprocessor",
                                    .kind = "preprocessor",
                                    .name = "MyPlugin",
                                    .version = "1.0.0",
                                    .summary = "The picture in negative"};

  static const std::vector<gesso::Op<MyPlugin>>& ops() {
    static const std::vector<gesso::Op<MyPlugin>> list{
        {.name = GESSO_OP_PROCESS,
         .inputs = {{GESSO_PORT_PIXELS, "3 H W", gesso::kPerItem, "f32"}},
         .outputs = {{GESSO_PORT_PIXELS, "3 H W", gesso::kPerItem, "f32"}},
         .run = &MyPlugin::process}};
    return list;
  }

  /// In and out from -1 to 1.
  void process(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    int32_t item = 0;
    for (const gesso_tensor_t* pixels : inputs.list(GESSO_PORT_PIXELS)) {
      call.poll();
      const auto from = gesso::numbers<float>(pixels->dl_tensor);
      gesso::Tensor map = gesso::Tensor::empty(gesso::kF32, gesso::shape_of(pixels->dl_tensor));
      std::transform(from.begin(), from.end(), gesso::elements<float>(map.dl()).begin(),
                     [](float value) { return -value; });
      outputs.put(GESSO_PORT_PIXELS, item++, std::move(map));
    }
  }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
