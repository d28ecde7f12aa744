// A composer: the prompt as it is, through the tokenizer and the text encoder of the pipeline.
//
// Here is the place for a template: what stands around the prompt when a model was trained.
#include <gesso/kind/composer.h>
#include <gesso/kind/text_encoder.h>
#include <algorithm>
#include <gesso/cpp/module.hpp>

namespace {

class MyPlugin : public gesso::Component<MyPlugin, gesso::ModuleInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.my_plugin.composer",
                                    .kind = "composer",
                                    .name = "MyPlugin",
                                    .version = "1.0.0",
                                    .summary = "The prompt as it is, without a template"};

  static const std::vector<gesso::Op<MyPlugin>>& ops() {
    static const std::vector<gesso::Op<MyPlugin>> list{
        {.name = GESSO_OP_COMPOSE,
         .inputs = {},
         .outputs = {{GESSO_PORT_TEXT, "L D", gesso::kPerItem}},
         .run = &MyPlugin::compose}};
    return list;
  }

  void compose(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    const std::vector<std::string> prompts = inputs.values().texts("prompt");
    if (prompts.empty()) {
      throw gesso::Error(gesso::Status::InvalidArgument, "no prompt was given");
    }
    std::vector<gesso::Tensor> ids;  // must live until the encoder has run
    std::vector<gesso::Input> items;
    for (const std::string& prompt : prompts) {
      ids.push_back(tokens(prompt));
      items.push_back({GESSO_PORT_TOKEN_IDS, static_cast<int32_t>(items.size()), ids.back().get()});
    }
    const gesso::ModuleRef encoder(host().sibling("text_encoder"));
    for (gesso::Output& output : encoder.run(call.get(), GESSO_OP_ENCODE, items)) {
      outputs.put(GESSO_PORT_TEXT, output.index, std::move(output.tensor));
    }
  }

 private:
  /// Siblings are borrowed for the call that is under way.
  gesso::Tensor tokens(const std::string& text) const {
    gesso_component_t* tokenizer = host().sibling("tokenizer");
    const auto* table = static_cast<const gesso_tokenizer_t*>(
        tokenizer->get_interface(tokenizer->self, GESSO_TOKENIZER_ID));
    if (!table) throw gesso::Error(gesso::Status::NotSupported, "the tokenizer is none");
    std::vector<int32_t> ids(text.size() + 1);
    uint64_t count = 0;
    gesso::ErrorText error;
    do {
      ids.resize(std::max<size_t>(ids.size(), count));
      gesso::check(table->encode(tokenizer->self, text.data(), text.size(), ids.data(), ids.size(),
                                 &count, &error.error),
                   error);
    } while (count > ids.size());
    const int64_t shape[] = {static_cast<int64_t>(count)};
    gesso::Tensor tensor = gesso::Tensor::empty(gesso::kI64, shape);
    std::copy_n(ids.begin(), count, gesso::elements<int64_t>(tensor.dl()).begin());
    return tensor;
  }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
