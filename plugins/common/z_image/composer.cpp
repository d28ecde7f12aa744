#include "z_image/composer.hpp"

#include <algorithm>

namespace gesso::z_image {
namespace {

constexpr int64_t kMaxLength = 512;  // what the models were trained with, template included

class Tokenizer {
 public:
  explicit Tokenizer(gesso_component_t* component) : self_(component->self) {
    table_ =
        static_cast<const gesso_tokenizer_t*>(component->get_interface(self_, GESSO_TOKENIZER_ID));
    if (!table_) {
      throw Error(Status::NotSupported, std::string(component->desc->id) + " is no tokenizer");
    }
  }
  std::vector<int32_t> encode(const std::string& text) const {
    std::vector<int32_t> ids(text.size() + 16);  // enough for byte-level tokens
    uint64_t count = write(text, ids);
    if (count > ids.size()) {
      ids.resize(count);
      count = write(text, ids);
    }
    ids.resize(count);
    return ids;
  }

 private:
  uint64_t write(const std::string& text, std::vector<int32_t>& ids) const {
    ErrorText error;
    uint64_t count = 0;
    check(table_->encode(self_, text.data(), text.size(), ids.data(), ids.size(), &count,
                         &error.error),
          error, "tokenizer");
    return count;
  }
  void* self_;
  const gesso_tokenizer_t* table_;
};

Tensor tensor_of(const std::vector<int32_t>& ids) {
  const int64_t shape[] = {static_cast<int64_t>(ids.size())};
  Tensor tensor = Tensor::empty(kI64, shape);
  std::copy(ids.begin(), ids.end(), elements<int64_t>(tensor.dl()).begin());
  return tensor;
}

/// Cuts on the right, as the reference does: a long prompt loses the end of the template, too.
void limit(std::vector<int32_t>& ids, int64_t max_length, size_t prompt, const Host& host) {
  const auto count = static_cast<int64_t>(ids.size());
  if (count <= max_length) return;
  host.warn("prompt " + std::to_string(prompt + 1) + " has " + std::to_string(count) +
            " tokens with its template; only the first " + std::to_string(max_length) +
            " were used, the end was cut off");
  ids.resize(static_cast<size_t>(max_length));
}

}  // namespace

std::string chat_text(const std::string& prompt) {
  return "<|im_start|>user\n" + prompt + "<|im_end|>\n<|im_start|>assistant\n";
}

void compose(const Host& host, const Call& call, const Inputs& inputs, Outputs& outputs) {
  const Values values = inputs.values();
  const std::vector<std::string> prompts = values.texts("prompt");
  const int64_t max_length = values.integer("max_length", kMaxLength);
  if (prompts.empty()) throw Error(Status::InvalidArgument, "compose: no prompt was given");
  if (max_length < 1) {
    throw Error(Status::InvalidArgument,
                "max_length: expected 1 or more, found " + std::to_string(max_length));
  }

  const Tokenizer tokenizer(host.sibling("tokenizer"));
  std::vector<Tensor> token_ids;
  std::vector<Input> encoder_inputs;
  for (size_t i = 0; i < prompts.size(); ++i) {
    std::vector<int32_t> ids = tokenizer.encode(chat_text(prompts[i]));
    limit(ids, max_length, i, host);
    token_ids.push_back(tensor_of(ids));
    encoder_inputs.push_back(
        {GESSO_PORT_TOKEN_IDS, static_cast<int32_t>(i), token_ids.back().get()});
  }

  const ModuleRef encoder(host.sibling("text_encoder"));
  for (Output& output : encoder.run(call.get(), GESSO_OP_ENCODE, encoder_inputs)) {
    if (output.port == GESSO_PORT_TEXT) {
      outputs.put(GESSO_PORT_TEXT, output.index, std::move(output.tensor));
    }
  }
  for (size_t i = 0; i < token_ids.size(); ++i) {
    outputs.put(GESSO_PORT_TOKEN_IDS, static_cast<int32_t>(i), std::move(token_ids[i]));
  }
}

}  // namespace gesso::z_image
