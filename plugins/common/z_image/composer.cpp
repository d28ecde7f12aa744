#include "z_image/composer.hpp"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <span>

#include "gesso/cpp/torch.hpp"

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

/// Cuts on the right, as the reference does: a long prompt loses the end of the template, too.
void limit(std::vector<int32_t>& ids, int64_t max_length, size_t prompt, const Host& host) {
  const auto count = static_cast<int64_t>(ids.size());
  if (count <= max_length) return;
  host.warn("prompt " + std::to_string(prompt + 1) + " has " + std::to_string(count) +
            " tokens with its template; only the first " + std::to_string(max_length) +
            " were used, the end was cut off");
  ids.resize(static_cast<size_t>(max_length));
}

/// The token ids of a prompt, segment by segment.
using Ids = std::vector<std::vector<int64_t>>;

std::vector<Tensor> encode(const Host& host, const Call& call, const std::vector<Ids>& prompts) {
  std::vector<Tensor> ids;
  for (const Ids& segments : prompts) {
    for (const auto& segment : segments) ids.push_back(integer_tensor(segment));
  }
  std::vector<Input> inputs;
  for (size_t i = 0; i < ids.size(); ++i) {
    inputs.push_back({GESSO_PORT_TOKEN_IDS, static_cast<int32_t>(i), ids[i].get()});
  }
  std::vector<Tensor> texts(ids.size());
  const ModuleRef encoder(host.sibling("text_encoder"));
  for (Output& output : encoder.run(call.get(), GESSO_OP_ENCODE, inputs)) {
    if (output.port == GESSO_PORT_TEXT) {
      texts.at(static_cast<size_t>(output.index)) = std::move(output.tensor);
    }
  }
  for (const Tensor& text : texts) {
    if (!text) throw Error(Status::Internal, "the text encoder left out a segment");
  }
  return texts;
}

/// The segments of one prompt one after another; a single one is passed on as it is.
Composed join(const Ids& ids, std::span<Tensor> texts) {
  Composed made;
  std::vector<int64_t> all;
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < ids.size(); ++i) {
    all.insert(all.end(), ids[i].begin(), ids[i].end());
    rows.push_back(torch::borrow(texts[i].dl()));
    made.segment_rows.push_back(rows.back().size(0));
  }
  made.token_ids = integer_tensor(all);
  made.text = texts.size() == 1 ? std::move(texts[0]) : torch::give(at::cat(rows));
  return made;
}

}  // namespace

std::string chat_text(const std::string& prompt) {
  return "<|im_start|>user\n" + prompt + "<|im_end|>\n<|im_start|>assistant\n";
}

std::vector<std::string> chat_segment(const std::string& prompt, int64_t n_images) {
  if (n_images != 0) {
    throw Error(Status::InvalidArgument,
                "n_images: this model takes no edit images, found " + std::to_string(n_images));
  }
  return {chat_text(prompt)};
}

Tensor integer_tensor(const std::vector<int64_t>& values) {
  const int64_t shape[] = {static_cast<int64_t>(values.size())};
  Tensor tensor = Tensor::empty(kI64, shape);
  std::copy(values.begin(), values.end(), elements<int64_t>(tensor.dl()).begin());
  return tensor;
}

std::vector<Composed> compose(const Host& host, const Call& call, const Values& values,
                              Segments segments) {
  const std::vector<std::string> prompts = values.texts("prompt");
  const int64_t max_length = values.integer("max_length", kMaxLength);
  if (prompts.empty()) throw Error(Status::InvalidArgument, "compose: no prompt was given");
  if (max_length < 1) {
    throw Error(Status::InvalidArgument,
                "max_length: expected 1 or more, found " + std::to_string(max_length));
  }

  const Tokenizer tokenizer(host.sibling("tokenizer"));
  std::vector<Ids> ids(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    call.poll();
    for (const std::string& text : segments(prompts[i], values.integer("n_images", 0))) {
      std::vector<int32_t> segment = tokenizer.encode(text);
      limit(segment, max_length, i, host);
      ids[i].emplace_back(segment.begin(), segment.end());
    }
  }
  std::vector<Tensor> texts = encode(host, call, ids);

  std::vector<Composed> composed;
  size_t first = 0;
  for (const Ids& prompt : ids) {
    composed.push_back(join(prompt, std::span(texts).subspan(first, prompt.size())));
    first += prompt.size();
  }
  return composed;
}

}  // namespace gesso::z_image
