// A text encoder without layers: the features of a token are its row of the embedding table.
#include <gesso/kind/text_encoder.h>
#include <algorithm>
#include <gesso/cpp/module.hpp>

namespace {

class MyPlugin : public gesso::Component<MyPlugin, gesso::ModuleInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.my_plugin.text_encoder",
                                    .kind = "text_encoder",
                                    .name = "MyPlugin",
                                    .version = "1.0.0",
                                    .summary = "The embedding of each token, and nothing else"};

  static const std::vector<gesso::Op<MyPlugin>>& ops() {
    static const std::vector<gesso::Op<MyPlugin>> list{
        {.name = GESSO_OP_ENCODE,
         .inputs = {{GESSO_PORT_TOKEN_IDS, "L", gesso::kPerItem, "i64"}},
         .outputs = {{GESSO_PORT_TEXT, "L D", gesso::kPerItem, "f32"}},
         .run = &MyPlugin::encode}};
    return list;
  }

  /// Weights are asked for by name, once; where they lie is the memory policy's business.
  void prepare(const gesso::Setup& setup) {
    if (!setup.weights) {
      throw gesso::Error(gesso::Status::NotFound, "it needs a file of weights");
    }
    const char* name = "model.embed_tokens.weight";
    shape_ = setup.weights.describe(name).shape;
    unit_ = setup.weights.declare("embedding", {{name, shape_, GESSO_WEIGHT_BUFFER, gesso::kF32}});
  }

  void encode(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    const auto unit = unit_.enter(call);  // the weights stay where they are until the end
    const auto table = gesso::elements<const float>(unit[0].parts[0]->dl_tensor);
    const int64_t vocab = shape_[0], width = shape_[1];
    int32_t item = 0;
    for (const gesso_tensor_t* tensor : inputs.list(GESSO_PORT_TOKEN_IDS)) {
      call.poll();
      const auto ids = gesso::numbers<int64_t>(tensor->dl_tensor);
      const int64_t shape[] = {static_cast<int64_t>(ids.size()), width};
      gesso::Tensor text = gesso::Tensor::empty(gesso::kF32, shape);
      auto to = gesso::elements<float>(text.dl()).begin();
      for (const int64_t id : ids) {
        if (id < 0 || id >= vocab) {
          throw gesso::Error(gesso::Status::InvalidArgument,
                             "expected tokens below " + std::to_string(vocab) + ", found " +
                                 std::to_string(id) + "; is it another model's tokenizer?");
        }
        to = std::copy_n(table.begin() + id * width, width, to);
      }
      outputs.put(GESSO_PORT_TEXT, item++, std::move(text));
    }
  }

 private:
  std::vector<int64_t> shape_;
  gesso::Unit unit_;
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
